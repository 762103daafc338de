"""Which bars miss lost trades: those between the trade before a range of ids and the one after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.marks import NEVER, ONWARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Ranges of grid steps, both ends inclusive.
Spans = list[tuple[int, int]]


class LostSpans:
    """Finds the bars that a range of ids can be in.

    Args:
        published: BAR of one symbol, in time order.
        others: Of what is not among them the steps, first and last ids: an array each.
        every_us: The grid step.
    """

    def __init__(
        self, published: NDArray[np.void], others: NDArray[np.int64], every_us: int
    ) -> None:
        traded = published[published["trades"] > 0]
        own = [traded["open_us"] // every_us, traded["first_id"], traded["last_id"]]
        self._step, self._first, self._last = np.concatenate([np.array(own), others], axis=1)

    def of(self, ranges: Sequence[tuple[int, int]]) -> Spans:
        """Return the steps of each range of ids, from NEVER or up to ONWARD where it has no end."""
        return [self._of(first, last) for first, last in ranges]

    def _of(self, first: int, last: int) -> tuple[int, int]:
        below, above = self._first < first, self._last > last
        lowest, highest = NEVER, ONWARD
        if below.any():
            nearest = np.where(below, np.minimum(self._last, first - 1), NEVER)
            lowest = int(self._step[nearest.argmax()])
        if above.any():
            nearest = np.where(above, np.maximum(self._first, last + 1), ONWARD)
            highest = int(self._step[nearest.argmin()])
        return min(lowest, highest), max(lowest, highest)


def mark_complete(
    bars: NDArray[np.void],
    before: NDArray[np.void],
    *,
    every_us: int,
    healed: Spans,
    missing: Spans,
) -> None:
    """Mark which bars are complete: as before, but where something healed and nothing is missing.

    Args:
        bars: BAR to be marked, of one symbol.
        before: The same as they were published, in time order; a bar may not be among them.
        every_us: The grid step.
        healed: Where trades were found.
        missing: Where they are lost still.
    """
    steps = bars["open_us"] // every_us
    is_missing, is_healed = _within(steps, missing), _within(steps, healed)
    at = np.searchsorted(before["open_us"], bars["open_us"])
    known = at < len(before)
    known[known] = before["open_us"][at[known]] == bars["open_us"][known]
    was = np.zeros(len(bars), dtype=np.bool_)
    was[known] = before["complete"][at[known]] == 1
    bars["complete"] = np.where(is_healed | ~known, ~is_missing, was)


def id_runs(ids: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return ascending ids, at least one, as ranges with both ends inclusive."""
    edges = np.flatnonzero(np.diff(ids) > 1)
    firsts, lasts = np.concatenate([[0], edges + 1]), np.concatenate([edges, [len(ids) - 1]])
    return list(zip(ids[firsts].tolist(), ids[lasts].tolist(), strict=True))


def _within(steps: NDArray[np.int64], spans: Spans) -> NDArray[np.bool_]:
    inside = np.zeros(len(steps), dtype=np.bool_)
    for first, last in spans:
        inside |= (steps >= first) & (steps <= last)
    return inside
