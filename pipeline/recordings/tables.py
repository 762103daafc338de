"""Recordings in columns: Parquet of TRADES, and klines in freqtrade's feather files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.errors import ReplayError
from pipeline.schema import TIME, TRADES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.recordings.recording import Kind

# A slice costs as much as the row group it is in: small ones are read together.
_LEAST_ROWS = 65_536

# What a file of wrong bytes makes Polars raise; it panics over some, such as an unknown time zone.
_DAMAGE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)

# When a trade was received is not of interest here, so it may be missing.
_TRADE_COLUMNS = {name: dtype for name, dtype in TRADES.items() if name != "receive_time"}
_PRICE_COLUMNS = ("open", "high", "low", "close", "volume")


class TableBlock:
    """Rows of a table."""

    def __init__(self, values: pl.DataFrame) -> None:
        self.values = values

    def payload(self, row: int) -> str:
        """Return a row as JSON; times are microseconds."""
        return self.values[row].write_ndjson().rstrip("\n")

    def fault(self, row: int) -> str:
        """Name the first value that is missing."""
        values = self.values.row(row, named=True)
        name = next(name for name, value in values.items() if value is None)
        return f"expected a value of {name}, found a null"


class TableRecording:
    """A file of columns.

    Args:
        path: The file.
        table: Its values, see `Block.values`.
        kind: What they are.
        rows: How many.
    """

    first_number = 1

    def __init__(self, path: Path, table: pl.LazyFrame, kind: Kind, rows: int) -> None:
        self._path = path
        self._table = table
        self.kind = kind
        self.rows = rows

    def blocks(self, start_row: int, rows: int) -> Iterator[tuple[int, TableBlock]]:
        """Yield its blocks, see `Recording.blocks`."""
        count = max(rows, _LEAST_ROWS)
        for row in range(start_row, self.rows, count):
            try:
                values = self._table.slice(row, count).collect()
            except _DAMAGE as error:
                raise ReplayError(
                    f"{self._path}: expected a whole file, found it damaged: {error}"
                ) from error
            yield row, TableBlock(values)


def open_parquet(path: Path) -> TableRecording:
    """Open Parquet of TRADES; other columns are ignored.

    Raises:
        ReplayError: The file cannot be read, or has other columns.
    """
    table = pl.scan_parquet(path, glob=False)
    schema, rows = _look_at(table, path, "Parquet")
    wrong = [name for name, dtype in _TRADE_COLUMNS.items() if schema.get(name) != dtype]
    if wrong:
        raise ReplayError(f"{path}: expected the columns of TRADES, found others for {wrong}")
    values = table.select(
        *(name for name in _TRADE_COLUMNS if name != "event_time"),
        pl.col("event_time").to_physical().alias("time_us"),
    )
    return TableRecording(path, values, "trades", rows)


def open_feather(path: Path) -> TableRecording:
    """Open freqtrade's klines: `date open high low close volume`.

    Raises:
        ReplayError: The file cannot be read, or has other columns.
    """
    table = pl.scan_ipc(path, glob=False)
    schema, rows = _look_at(table, path, "feather")
    wrong = [name for name in _PRICE_COLUMNS if schema.get(name) != pl.Float64]
    if not isinstance(schema.get("date"), pl.Datetime):
        wrong.insert(0, "date")
    if wrong:
        raise ReplayError(
            f"{path}: expected the columns date open high low close volume, "
            f"found others for {wrong}"
        )
    time_us = pl.col("date").cast(TIME).to_physical().alias("time_us")
    return TableRecording(path, table.select(time_us, *_PRICE_COLUMNS), "klines", rows)


def _look_at(table: pl.LazyFrame, path: Path, name: str) -> tuple[pl.Schema, int]:
    """Return the columns and the number of rows."""
    try:
        return table.collect_schema(), table.select(pl.len()).collect().item()
    except FileNotFoundError as error:
        raise ReplayError(f"{path}: expected a recording, found no such file") from error
    except _DAMAGE as error:
        raise ReplayError(f"{path}: expected whole {name}, found {error}") from error
