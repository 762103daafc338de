"""The tables of a part: rows in time order become one file a day."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.batch.folder import partition
from pipeline.durations import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.batch.folder import BatchFolder
    from pipeline.batch.plan import Part

#: No file has more rows, and no more are held.
MAX_ROWS = 1_000_000


class DayFiles:
    """Writes the rows of one table, the same files however the rows come in.

    Args:
        folder: Where to.
        table: Its name, the top directory.
        part: Whose rows they are.
    """

    def __init__(self, folder: BatchFolder, table: str, part: Part) -> None:
        self._files: list[str] = []
        self._folder = folder
        self._place = f"{table}/{partition(part.symbol)}"
        self._number = part.number
        self._day = -1
        self._sequence = 0
        self._held: list[pl.DataFrame] = []
        self._held_rows = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows with an `open_time`, not earlier than those before."""
        for day, start, stop in _days(rows):
            if day != self._day:
                self._write()
                self._day, self._sequence = day, 0
            at = start
            while at < stop:
                taken = rows[at : min(stop, at + MAX_ROWS - self._held_rows)]
                at += taken.height
                self._held.append(taken)
                self._held_rows += taken.height
                if self._held_rows == MAX_ROWS:
                    self._write()

    def finish(self) -> list[str]:
        """Write what is held; return all that was written, relative to the folder."""
        self._write()
        return self._files

    def _write(self) -> None:
        if not self._held:
            return
        date = datetime.fromtimestamp(self._day * DAY / SECOND, UTC).date()
        name = f"{self._place}/date={date}/part-{self._number:05d}-{self._sequence:03d}.parquet"
        with self._folder.writing(self._folder.path / name) as temporary:
            pl.concat(self._held, rechunk=True).write_parquet(temporary)
        self._files.append(name)
        self._held, self._held_rows = [], 0
        self._sequence += 1


def _days(rows: pl.DataFrame) -> Iterator[tuple[int, int, int]]:
    """Return each day since 1970 with its first row and the row after its last."""
    days = rows["open_time"].to_physical().to_numpy() // DAY
    bounds = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for start, stop in pairwise(bounds):
        if stop > start:
            yield int(days[start]), start, stop
