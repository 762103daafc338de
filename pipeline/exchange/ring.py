"""The newest columns of a table that only grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.exchange.trades import Int64Array


class ColumnRing:
    """A bounded table of int64 columns, contiguous in memory.

    It holds everything until more than `2 * capacity` columns would be in it; then the oldest go.
    At least the newest `capacity` can be read at any time.
    """

    def __init__(self, rows: int, capacity: int) -> None:
        self._capacity = capacity
        # Untouched pages cost no memory: a quiet symbol stays small.
        self._store: Int64Array = np.empty((rows, 2 * capacity), dtype=np.int64)
        self._size = 0

    @property
    def view(self) -> Int64Array:
        """What is held, oldest first; valid until the next change."""
        return self._store[:, : self._size]

    def append(self, columns: Int64Array) -> None:
        """Add columns at the newest end."""
        columns = columns[:, -self._store.shape[1] :]
        count = columns.shape[1]
        if self._size + count > self._store.shape[1]:
            kept = max(self._capacity - count, 0)
            self._store[:, :kept] = self.view[:, self._size - kept :]
            self._size = kept
        self._store[:, self._size : self._size + count] = columns
        self._size += count

    def take_newest(self) -> Int64Array:
        """Remove the newest column and return it; no column when there is none."""
        newest = self.view[:, -1:].copy()
        self._size -= newest.shape[1]
        return newest
