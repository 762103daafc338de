"""Which missing ids to ask the venue for, and when to stop asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

#: The venue's tables lag behind its stream: it has this long to serve an id before it is lost. All
#: that came after the id waits for so long; what is served later still is restated.
GIVE_UP_S = 10.0

#: Between two requests for the same ids.
RETRY_S = 1.0

#: A long hole is asked for in pieces of so many ids, so that memory stays bounded.
PIECE = 20_000


@dataclass(frozen=True, slots=True)
class Missing:
    """Ids of a symbol that are not here, both ends inclusive."""

    symbol: str
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a symbol has come."""

    last_id: int | None  # the highest known, null before the first trade
    event_us: int | None  # of the newest applied trade


@dataclass(slots=True)
class _Watch:
    """The first hole of a symbol."""

    first_id: int
    last_id: int
    since_s: float
    due_s: float
    unserved_since_s: float | None = None
    handed_over: bool = False


class Healing:
    """The holes of a shard's symbols, one at a time for each.

    What was asked for is not asked for again before its answer was applied.

    Args:
        grace_s: How long the stream itself may close a hole.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._watches: dict[str, _Watch] = {}

    def report(
        self,
        holes: Mapping[str, Sequence[tuple[int, int]]],
        applied: Collection[str],
        now_s: float,
    ) -> None:
        """Take what is missing now.

        Args:
            holes: Per symbol its holes, both ends inclusive, in order.
            applied: Symbols whose last answer is taken into account.
            now_s: A clock that only moves forward.
        """
        watches = {}
        for symbol, ((first_id, last_id), *_) in holes.items():
            watch = self._watches.get(symbol)
            if watch is None or (watch.first_id != first_id and watch.last_id != last_id):
                watch = _Watch(first_id, last_id, now_s, now_s + self._grace_s)
            if watch.first_id != first_id:
                watch.unserved_since_s = None  # of other ids
            watch.first_id, watch.last_id = first_id, last_id
            watch.handed_over = watch.handed_over and symbol not in applied
            watches[symbol] = watch
        self._watches = watches

    def doubtful(self, now_s: float) -> list[Missing]:
        """Return the holes that are so old that what lies behind them may be broken data.

        Each is returned once in a while: then it is as if it had just been found.
        """
        old = []
        for symbol, watch in self._watches.items():
            if now_s - watch.since_s >= GIVE_UP_S:
                watch.since_s = now_s
                old.append(Missing(symbol, watch.first_id, watch.last_id))
        return old

    def due(self, now_s: float) -> list[Missing]:
        """Return what to ask for now."""
        return [
            Missing(symbol, watch.first_id, min(watch.last_id, watch.first_id + PIECE - 1))
            for symbol, watch in self._watches.items()
            if now_s >= watch.due_s and not watch.handed_over
        ]

    def answered(self, asked: Missing, first_served: int | None, now_s: float) -> Missing | None:
        """Take what an answer held.

        Args:
            asked: What was asked for.
            first_served: The lowest of those ids in the answer; null for none.
            now_s: As above.

        Returns:
            The ids to give up, null while there is hope.
        """
        watch = self._watches.get(asked.symbol)
        if watch is None or watch.first_id != asked.first_id:
            return None
        watch.due_s = now_s + RETRY_S
        watch.handed_over = first_served is not None
        if first_served == asked.first_id:
            return None
        if watch.unserved_since_s is None:
            watch.unserved_since_s = now_s
        if now_s - watch.unserved_since_s < GIVE_UP_S:
            return None
        watch.handed_over = True
        last_id = asked.last_id if first_served is None else first_served - 1
        return Missing(asked.symbol, asked.first_id, last_id)
