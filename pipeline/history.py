"""A bounded, append-only table whose readers come back for what is new."""

from __future__ import annotations

import polars as pl

#: Small frames are merged once there are so many of them: appending stays cheap, reading too.
_MERGE_AT = 64


class History:
    """Rows in the order they were applied, each with the version that brought it.

    Args:
        schema: Of every appended frame.
        max_rows: Beyond it the oldest frames leave; at least the newest frame stays.
    """

    def __init__(self, schema: pl.Schema, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._chunks: list[tuple[int, pl.DataFrame]] = []  # newest version in it, rows

    def append(self, version: int, frame: pl.DataFrame) -> None:
        """Add rows under a version higher than every one before."""
        if frame.is_empty():
            return
        self._chunks.append((version, frame.with_columns(pl.lit(version).alias("version"))))
        if len(self._chunks) % _MERGE_AT == 0:
            self._merge()
        total = sum(chunk.height for _, chunk in self._chunks)
        while total > self._max_rows and len(self._chunks) > 1:
            total -= self._chunks.pop(0)[1].height

    def since(self, version: int) -> pl.DataFrame:
        """Return the rows appended after a version, oldest first."""
        newer = [chunk for newest, chunk in self._chunks if newest > version]
        if not newer:
            return self._schema.to_frame(eager=True)
        newer[0] = newer[0].filter(pl.col("version") > version)
        return pl.concat(newer).drop("version")

    def _merge(self) -> None:
        """Merge the newest small frames; a merged chunk is left alone from then on."""
        recent, self._chunks = self._chunks[-_MERGE_AT:], self._chunks[:-_MERGE_AT]
        merged = pl.concat([chunk for _, chunk in recent], rechunk=True)
        self._chunks.append((recent[-1][0], merged))
