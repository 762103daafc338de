"""Small recordings of the same market, made by hand, and how tests write and read them."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import polars as pl

from pipeline.errors import ReplayError
from pipeline.recordings.inputs import Chunk, open_input, read_chunks

#: 2023-11-14 22:14:00 UTC
T0_MS = 1_700_000_040_000
T0_US = T0_MS * 1_000

AGGREGATES = (
    f"7,0.01633102,4.70443515,21,23,{T0_MS},True,True\n"
    f"8,64000.01,1.00000000,24,24,{T0_MS + 47},False,True\n"
    f"9,64000.00,12345678901.25,25,31,{T0_MS + 47},true,false\n"
)
KLINES = (
    f"{T0_MS},1.5,1.75,1.25,1.5,10.0,{T0_MS + 59_999},15.5,12,4.0,6.0,0\n"
    f"{T0_MS + 60_000},1.5,2.5,1.5,2.0,0,{T0_MS + 119_999},0,0,0,0,0\n"
)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a recording, packed as its name says."""
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(data))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name.replace(".zip", ".csv"), data)
    else:
        path.write_bytes(data)
    return path


def read(
    path: Path,
    symbol: str | None = None,
    rows: int = 1_000_000,
    *,
    start_row: int = 0,
    stop_row: int | None = None,
) -> Read:
    """Read a recording; what was read of a damaged one comes with the error."""
    chunks: list[Chunk] = []
    error = None
    try:
        source = open_input(path, symbol)
        for chunk in read_chunks(source, rows, start_row=start_row, stop_row=stop_row):
            assert 0 < chunk.rows.height + chunk.rejected.height <= rows
            chunks.append(chunk)
    except ReplayError as damage:
        error = str(damage)
    return Read(chunks, error)


class Read:
    """All that came of a recording."""

    def __init__(self, chunks: list[Chunk], error: str | None) -> None:
        self.chunks = chunks
        self.error = error
        self.rows = pl.concat([chunk.rows for chunk in chunks]) if chunks else pl.DataFrame()
        self.rejected = pl.concat([chunk.rejected for chunk in chunks]) if chunks else self.rows

    @property
    def reasons(self) -> list[str]:
        """Why rows were rejected."""
        return self.rejected["reason"].to_list()
