"""Changes of thresholds on a running pipeline: what was asked, and what became of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

#: Changes that are remembered; the file has all.
MOST = 1_000


class Change(msgspec.Struct, frozen=True):
    """A change that somebody asked for.

    Attributes:
        number: Counts the changes that were asked for, from 1.
        asked: When.
        by: Who, as `user@host`.
        symbol: Whose thresholds; null for those of all.
        settings: Such as `enter=7`.
        why: As they put it.
    """

    number: int
    asked: datetime
    by: str
    symbol: str | None
    settings: tuple[str, ...]
    why: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of a change.

    Attributes:
        change: What was asked.
        refused: Why it was not made; null when it was.
    """

    change: Change
    refused: str | None


class ChangeLog:
    """The changes of one pipeline. Its owner sees to it that it is used by one thread at a time."""

    def __init__(self) -> None:
        self._asked: deque[Change] = deque(maxlen=MOST)
        self._outcomes: deque[Outcome] = deque(maxlen=MOST)
        self._numbered = 0

    def ask(
        self, *, asked: datetime, by: str, symbol: str | None, settings: Iterable[str], why: str
    ) -> int:
        """Take a change; return its number."""
        self._numbered += 1
        self._asked.append(Change(self._numbered, asked, by, symbol, tuple(settings), why))
        return self._numbered

    def open(self) -> list[Change]:
        """Return what nobody has settled, in the order it was asked."""
        return list(self._asked)

    def settle(self, outcome: Outcome) -> None:
        """Take what became of a change."""
        self._asked = deque(
            (one for one in self._asked if one.number != outcome.change.number), maxlen=MOST
        )
        self._outcomes.append(outcome)

    def outcome(self, number: int) -> Outcome | None:
        """Return what became of a change; null while nobody has settled it."""
        return next((one for one in self._outcomes if one.change.number == number), None)

    def report(self) -> list[dict[str, Any]]:
        """Return what was asked and what became of it, oldest first, as JSON can have it."""
        return [msgspec.to_builtins(one) for one in self._outcomes]
