"""Asking again, ever more rarely, for ids that were given up: the venue may have them later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.healing import PIECE, Missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: From the newest loss of a symbol to the first time its lost ids are asked for again; each time
#: after that waits twice as long.
FIRST_WAIT_S = 15.0

#: Of a symbol's lost ranges so many are asked for, the newest, each up to `PIECE` ids.
RANGES = 20


@dataclass(slots=True)
class _Search:
    newest_id: int
    since_s: float
    wait_s: float
    due_s: float


class Recovery:
    """The lost ids of a shard's symbols.

    Args:
        reach_s: After the newest loss of a symbol they are asked for so long: what would come later
            could change nothing any more.
    """

    def __init__(self, reach_s: float) -> None:
        self._reach_s = reach_s
        self._lost: Mapping[str, Sequence[tuple[int, int]]] = {}
        self._searches: dict[str, _Search] = {}

    def report(self, lost: Mapping[str, Sequence[tuple[int, int]]], now_s: float) -> None:
        """Take what is lost now.

        Args:
            lost: Per symbol its ranges, both ends inclusive, in order.
            now_s: A clock that only moves forward.
        """
        searches = {}
        for symbol, ranges in lost.items():
            newest_id = ranges[-1][1]
            known = self._searches.get(symbol)
            if known is None or known.newest_id < newest_id:
                known = _Search(newest_id, now_s, FIRST_WAIT_S, now_s + FIRST_WAIT_S)
            searches[symbol] = known
        self._lost, self._searches = lost, searches

    def due(self, now_s: float) -> list[Missing]:
        """Return what to ask for now; it is not due again before the next, longer wait."""
        due = []
        for symbol, search in self._searches.items():
            if now_s < search.due_s or now_s - search.since_s > self._reach_s:
                continue
            search.wait_s *= 2
            search.due_s = now_s + search.wait_s
            due += [
                Missing(symbol, first, min(last, first + PIECE - 1))
                for first, last in self._lost[symbol][-RANGES:]
            ]
        return due
