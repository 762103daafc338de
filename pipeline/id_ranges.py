"""Ranges of trade ids: sorted, apart, bounded in number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


class IdRanges:
    """Ids as ranges, both ends inclusive.

    Args:
        ranges: To start with, ascending and apart.
        capacity: The most ranges it holds; when there are more, the lowest is forgotten.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = (), *, capacity: int) -> None:
        self._ranges = list(ranges)
        self._capacity = capacity

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def append(self, first: int, last: int) -> None:
        """Add ids above all others; they join the range that they follow."""
        if self._ranges and self._ranges[-1][1] == first - 1:
            self._ranges[-1] = (self._ranges[-1][0], last)
        else:
            self._ranges.append((first, last))
        if len(self._ranges) > self._capacity:
            del self._ranges[0]

    def take(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Take ids out; return which of the given ones were here, a repeated one the first time."""
        taken = np.zeros(len(ids), dtype=np.bool_)
        if not self._ranges:
            return taken
        firsts, lasts = np.array(self._ranges).T
        at = np.searchsorted(firsts, ids, side="right") - 1
        inside = (at >= 0) & (ids <= lasts[at])
        distinct, rows = np.unique(np.where(inside, ids, -1), return_index=True)
        taken[rows[distinct >= 0]] = True
        self._remove(distinct[distinct >= 0].tolist())
        return taken

    def _remove(self, ids: list[int]) -> None:
        """Remove ids that are here, ascending."""
        left: list[tuple[int, int]] = []
        at = 0
        for first, last in self._ranges:
            start = first
            while at < len(ids) and ids[at] <= last:
                if ids[at] > start:
                    left.append((start, ids[at] - 1))
                start = ids[at] + 1
                at += 1
            if start <= last:
                left.append((start, last))
        self._ranges = left[-self._capacity :]
