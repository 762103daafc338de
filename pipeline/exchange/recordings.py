"""Files of recorded trades, read whole and exactly, or refused with file, row and reason."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.errors import ReplayError
from pipeline.exchange.decimals import E8
from pipeline.exchange.trades import Int64Array, Trades
from pipeline.recordings.inputs import open_input, read_chunks

if TYPE_CHECKING:
    from pathlib import Path

# Rows read at a time.
_CHUNK_ROWS = 500_000

# Below it a double times 1e8 is within half a unit of the decimal it stands for.
_SURELY_NEAREST = 2**51 / E8


def read_recording(path: Path, symbol: str | None = None) -> dict[str, Trades]:
    """Return the trades of a file by symbol, in file order. They are all held in memory.

    Args:
        path: Any trades that `recordings.inputs` reads.
        symbol: Whose trades they are; null to tell it from the rows, else from the file name.

    Raises:
        ReplayError: The file is missing, truncated, empty, unsorted, none of these, or one of its
            rows is no trade with at most 8 decimals in price and size; that row is named.
    """
    source = open_input(path, symbol)
    if source.kind != "trades":
        raise ReplayError(f"{path}: expected trades, found {source.kind}")
    parts = []
    for chunk in read_chunks(source, _CHUNK_ROWS):
        if chunk.rejected.height:
            raise ReplayError(f"{path}, {chunk.rejected['reason'][0]}")
        parts.append(chunk.rows)
    if not parts:
        raise ReplayError(f"{path}: expected trades, found none")
    rows = pl.concat(parts).with_row_index("row", offset=source.first_number)
    tapes = {}
    for key, tape in rows.partition_by("symbol", as_dict=True).items():
        owner = str(key[0]).replace("/", "")  # the exchange writes names as Binance does
        if not owner.isalnum():
            raise ReplayError(f"{path}: expected a symbol of letters and digits, found {owner}")
        row = tape["row"].to_numpy()
        tapes[owner.upper()] = trades = _trades(tape, path, row)
        check_order(trades, str(path), row)
    return tapes


def _trades(tape: pl.DataFrame, path: Path, row: Int64Array) -> Trades:
    columns = np.empty((7, tape.height), dtype=np.int64)
    for place, name in enumerate(("trade_id", "first_id", "last_id", "event_time")):
        columns[place] = tape[name].to_physical().to_numpy()
    columns[4] = _units(tape["price"], path, row)
    columns[5] = _units(tape["quantity"], path, row)
    columns[6] = tape["buyer_is_maker"].to_numpy()
    return Trades(columns)


def _units(amounts: pl.Series, path: Path, row: Int64Array) -> Int64Array:
    """Return the whole 1e-8 of the decimals that doubles stand for."""
    values = amounts.to_numpy()
    units: Int64Array = np.rint(values * E8).astype(np.int64)
    # The quotient is the nearest double, as the value is if it stands for a decimal with 8 places.
    wrong = np.flatnonzero((units / E8 != values) & (values < _SURELY_NEAREST))
    if len(wrong):
        raise ReplayError(
            f"{path}, row {row[wrong[0]]}: expected a decimal with at most 8 places, "
            f"found {values[wrong[0]]}"
        )
    for place in np.flatnonzero(values >= _SURELY_NEAREST).tolist():
        units[place] = int(Decimal(repr(float(values[place]))) * E8)
    return units


def check_order(trades: Trades, where: str, row: Int64Array) -> None:
    """Check that ids rise and times never fall; a hole in the ids is allowed.

    Args:
        trades: Of one symbol.
        where: Names them in the error.
        row: The number of each in its file.

    Raises:
        ReplayError: They do not; the row that steps back is named.
    """
    for name, values, least in (("id", trades.trade_id, 1), ("time_us", trades.time_us, 0)):
        back = np.flatnonzero(np.diff(values) < least)
        if len(back):
            place = int(back[0]) + 1
            raise ReplayError(
                f"{where}, row {row[place]}: expected {name} {'>' if least else '>='} "
                f"{values[place - 1]}, found {values[place]}"
            )
