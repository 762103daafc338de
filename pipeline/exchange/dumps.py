"""Binance's public dumps: CSV of aggregate or single trades, spot or futures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.errors import ReplayError
from pipeline.exchange.decimals import E8

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.exchange.trades import Int64Array

# The columns of a dump in the order of Trades: id, first id, last id, time, price, size, maker.
_AGGREGATES = (0, 3, 4, 5, 1, 2, 6)
_SINGLES = (0, 0, 0, 4, 1, 2, 5)

_BOOLEANS = {"true": 1, "false": 0, "True": 1, "False": 0}


def read_dump(content: bytes, path: Path) -> tuple[Int64Array, Int64Array]:
    """Return the seven rows of Trades, times as they stand, and each one's row in the file.

    The first row of the file, be it a header, is row 1.

    Raises:
        ReplayError: A row is not one of a dump; `path` and the row are named.
    """
    if not content.strip():
        raise ReplayError(f"{path}: expected trades, found an empty file")
    header = not content[:1].isdigit()
    first_row = 2 if header else 1
    try:
        table = pl.read_csv(
            io.BytesIO(content), has_header=False, skip_rows=int(header), infer_schema=False
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise ReplayError(f"{path}: expected rows of a Binance dump, found {reason}") from error
    for place, values in enumerate(table):
        _refuse(values, values.is_null(), f"{table.width} fields", path, first_row)
        if place >= _flags_from(table):
            _refuse(values, ~values.is_in(list(_BOOLEANS)), "true or false", path, first_row)
    columns = np.empty((7, table.height), dtype=np.int64)
    for row, place in enumerate(_layout(table, path)):
        values = table.to_series(place)
        if row == 6:
            columns[row] = values.replace_strict(_BOOLEANS, return_dtype=pl.Int64)
        elif row in {4, 5}:
            columns[row] = _decimals(values, path, first_row)
        else:
            _refuse(values, ~values.str.contains(r"^\d{1,18}$"), "a whole number", path, first_row)
            columns[row] = values.cast(pl.Int64)
    return columns, np.arange(first_row, first_row + table.height)


def _flags_from(table: pl.DataFrame) -> int:
    """Return the place of the first of the trailing columns that hold true or false."""
    first = table.row(0)
    flags = [value in _BOOLEANS for value in first]
    return len(flags) - (flags[::-1].index(False) if False in flags else 0)


def _layout(table: pl.DataFrame, path: Path) -> tuple[int, ...]:
    """Tell aggregate from single trades by where the flags start; spot has one flag more."""
    place = _flags_from(table)
    if place == 6 and table.width in {7, 8}:
        return _AGGREGATES
    if place == 5 and table.width in {6, 7}:
        return _SINGLES
    raise ReplayError(
        f"{path}: expected id,price,quantity,first id,last id,time,maker[,best] or "
        f"id,price,quantity,notional,time,maker[,best], found {','.join(table.row(0))}"
    )


def _decimals(values: pl.Series, path: Path, first_row: int) -> pl.Series:
    wrong = ~values.str.contains(r"^\d{1,10}(\.\d{1,8}0*)?$")
    _refuse(values, wrong, "a decimal with at most 8 places", path, first_row)
    parts = values.str.split_exact(".", 1).struct.unnest()
    places = parts["field_1"].fill_null("").str.pad_end(8, "0").str.head(8)
    return parts["field_0"].cast(pl.Int64) * E8 + places.cast(pl.Int64)


def _refuse(values: pl.Series, wrong: pl.Series, expected: str, path: Path, first_row: int) -> None:
    rows = wrong.arg_true()
    if len(rows):
        found = values[int(rows[0])]
        raise ReplayError(
            f"{path}, row {rows[0] + first_row}: expected {expected}, "
            f"found {'the end of the line' if found is None else repr(found)}"
        )
