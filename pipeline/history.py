"""A bounded, append-only table over time whose readers come back for what is new."""

from __future__ import annotations

import polars as pl

#: Small frames are merged once there are so many of them: appending stays cheap, reading too.
_MERGE_AT = 64


class History:
    """Rows in the order they were applied, each with the version that brought it.

    Rows leave, a merge later at most, when they are older than `reach_us` before the newest; and
    the first to be applied leave at once beyond `max_rows`.

    Args:
        schema: Of every appended frame; has `open_time`.
        reach_us: How far back it remembers.
        max_rows: The most it holds.
    """

    def __init__(self, schema: pl.Schema, *, reach_us: int, max_rows: int) -> None:
        self._schema = schema
        self._reach_us = reach_us
        self._max_rows = max_rows
        self._newest_us = 0
        self._small = 0  # frames since the last merge
        self._chunks: list[tuple[int, pl.DataFrame]] = []  # newest version in it, rows

    def append(self, version: int, frame: pl.DataFrame) -> None:
        """Add rows under a version higher than every one before."""
        if frame.is_empty():
            return
        stamped = frame.with_columns(pl.lit(version, dtype=pl.Int64).alias("version"))
        self._chunks.append((version, stamped))
        newest_us = int(frame["open_time"].to_physical().to_numpy().max())
        self._newest_us = max(self._newest_us, newest_us)
        self._small += 1
        if self._small == _MERGE_AT:
            self._merge()
        self._trim()

    def since(self, version: int) -> pl.DataFrame:
        """Return the rows appended after a version, oldest first."""
        newer = [chunk for newest, chunk in self._chunks if newest > version]
        if not newer:
            return self._schema.to_frame(eager=True)
        newer[0] = newer[0].filter(pl.col("version") > version)
        return pl.concat(newer).drop("version")

    def _merge(self) -> None:
        """Merge the newest small frames, and forget what is too old in the oldest chunk."""
        recent, self._chunks = self._chunks[-self._small :], self._chunks[: -self._small]
        merged = pl.concat([chunk for _, chunk in recent], rechunk=True)
        self._chunks.append((recent[-1][0], merged))
        self._small = 0
        version, oldest = self._chunks[0]
        kept = pl.col("open_time").to_physical() > self._newest_us - self._reach_us
        self._chunks[0] = (version, oldest.filter(kept))
        if self._chunks[0][1].is_empty():
            del self._chunks[0]

    def _trim(self) -> None:
        surplus = sum(chunk.height for _, chunk in self._chunks) - self._max_rows
        while surplus > 0:
            version, oldest = self._chunks[0]
            self._chunks[0] = (version, oldest.slice(surplus))
            surplus -= oldest.height
            if self._chunks[0][1].is_empty():
                del self._chunks[0]
