"""Files of recorded trades, read into columns or refused with file, row and reason."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from pipeline.errors import ReplayError
from pipeline.exchange.decimals import E8, parse_decimal
from pipeline.exchange.dumps import read_dump
from pipeline.exchange.trades import Int64Array, Trades
from pipeline.schema import TRADES

if TYPE_CHECKING:
    from pathlib import Path

_MICROSECONDS = 10**15  # a time from here on is not in milliseconds
_FORMATS = ".csv .csv.gz .zip .json .json.gz .jsonl .jsonl.gz .parquet"
_IN_NAME = re.compile(r"([A-Z0-9]{3,})-(?:aggTrades|trades)")


#: By symbol (null: the rows do not say): the rows of Trades, and the number of each in its file.
Rows = dict[str | None, tuple[Int64Array, Int64Array]]


class _Record(msgspec.Struct):
    """A raw `aggTrade`, bare or inside a combined stream's `data` or freqtrade's `info`."""

    a: int | None = None
    p: str | None = None
    q: str | None = None
    f: int | None = None
    l: int | None = None  # noqa: E741 - the venue's name
    T: int | None = None
    m: bool | None = None
    s: str | None = None
    data: _Record | None = None
    info: _Record | None = None
    symbol: str | None = None


def read_recording(path: Path, symbol: str | None = None) -> dict[str, Trades]:
    """Return the trades of a file by symbol, in file order.

    Read are Binance's public dumps (`aggTrades` and `trades`; `.csv .csv.gz .zip`; with a header
    or without; milliseconds or microseconds, told by magnitude), raw `aggTrade` objects as JSON
    lines or as one array (`.json .jsonl`, also `.gz`; bare, under `data` of a combined stream, or
    under `info`), and Parquet of the TRADES schema. The file is held in memory.

    Args:
        path: The file.
        symbol: Whose trades they are; null to tell it from the rows, else from a file name such as
            `BTCUSDT-aggTrades-2025-01-01.zip`.

    Raises:
        ReplayError: The file is missing, truncated, empty, unsorted, or not one of these.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        rows: Rows = _read_parquet(path)
    elif name.endswith((".csv", ".zip")):
        rows = {None: read_dump(_content(path), path)}
    elif name.endswith((".json", ".jsonl")):
        rows = _read_json(_content(path), path)
    else:
        raise ReplayError(f"{path}: expected a file that ends in {_FORMATS}, found {path.suffix!r}")
    if symbol is not None and len(rows) > 1:
        raise ReplayError(f"{path}: expected trades of {symbol}, found {len(rows)} symbols")
    named = _IN_NAME.match(path.name)
    tapes = {}
    for found, (columns, row) in rows.items():
        owner = symbol or found or (named[1] if named is not None else None)
        if owner is None or not owner.isalnum():
            raise ReplayError(
                f"{path}: expected a symbol in the rows, in a file name such as "
                f"BTCUSDT-aggTrades-2025-01-01.zip, or as SYMBOL=FILE, found {owner or 'none'}"
            )
        tapes[owner.upper()] = _checked(columns, path, row)
    return tapes


def _content(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            return gzip.decompress(path.read_bytes())
        if path.suffix != ".zip":
            return path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if len(members) != 1:
                raise ReplayError(f"{path}: expected one file inside, found {len(members)}")
            return archive.read(members[0])
    except FileNotFoundError as error:
        raise ReplayError(f"{path}: expected a recording, found no such file") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ReplayError(f"{path}: expected a whole file, found it damaged: {error}") from error


def _read_json(content: bytes, path: Path) -> Rows:
    """Read an array of objects, or one object a line."""
    found: dict[str | None, list[list[int]]] = {}
    decoder, row = msgspec.json.Decoder(_Record), 0
    try:
        array = content.lstrip().startswith(b"[")
        texts = msgspec.json.decode(content, type=list[msgspec.Raw]) if array else None
        for row, text in enumerate(content.splitlines() if texts is None else texts, start=1):
            symbol, values = _values(decoder.decode(text))
            found.setdefault(symbol, []).append([row, *values])
    except (msgspec.MsgspecError, ValueError) as error:
        where = f", row {row}" if row else ""
        raise ReplayError(f"{path}{where}: expected raw aggTrades: {error}") from error
    if not found:
        raise ReplayError(f"{path}: expected trades, found none")
    tables = {symbol: np.array(rows, dtype=np.int64).T for symbol, rows in found.items()}
    return {symbol: (table[1:], table[0]) for symbol, table in tables.items()}


def _values(record: _Record) -> tuple[str | None, tuple[int, ...]]:
    """Return the symbol and the seven values of Trades.

    Raises:
        ValueError: A field is missing, or a price or size is not a decimal.
    """
    raw = record.data or record.info or record
    symbol = raw.s or (record.symbol and record.symbol.replace("/", ""))
    if (
        raw.a is None
        or raw.p is None
        or raw.q is None
        or raw.f is None
        or raw.l is None
        or raw.T is None
        or raw.m is None
    ):
        raise ValueError("expected the fields a p q f l T m, found one missing")
    price_e8, quantity_e8 = parse_decimal(raw.p), parse_decimal(raw.q)
    return symbol, (raw.a, raw.f, raw.l, raw.T, price_e8, quantity_e8, int(raw.m))


def _read_parquet(path: Path) -> Rows:
    try:
        table = pl.read_parquet(path)
    except FileNotFoundError as error:
        raise ReplayError(f"{path}: expected a recording, found no such file") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ReplayError(f"{path}: expected whole Parquet, found {error}") from error
    if table.is_empty():
        raise ReplayError(f"{path}: expected trades, found none")
    missing = [name for name in TRADES if table.schema.get(name) != TRADES[name]]
    if missing:
        raise ReplayError(f"{path}: expected the columns of TRADES, found others for {missing}")
    table = table.select(
        "symbol",
        pl.int_range(1, pl.len() + 1).alias("row"),
        "trade_id",
        "first_id",
        "last_id",
        pl.col("event_time").to_physical(),
        (pl.col("price", "quantity") * E8).round().cast(pl.Int64),
        pl.col("buyer_is_maker").cast(pl.Int64),
    )
    holes = table.filter(pl.any_horizontal(pl.all().is_null()))
    if holes.height:
        raise ReplayError(f"{path}, row {holes['row'][0]}: expected values, found a null")
    rows: Rows = {}
    for symbol, part in table.partition_by("symbol", as_dict=True, include_key=False).items():
        values = part.to_numpy().T
        rows[symbol[0]] = (values[1:], values[0])
    return rows


def _checked(columns: Int64Array, path: Path, row: Int64Array) -> Trades:
    """Bring times to microseconds and check the values of one symbol of a file."""
    trades = Trades(columns)
    columns[3] = np.where(columns[3] >= _MICROSECONDS, columns[3], columns[3] * 1000)
    for wrong, expected, values in (
        (trades.price_e8 <= 0, "a price above zero", trades.price_e8),
        (trades.quantity_e8 <= 0, "a size above zero", trades.quantity_e8),
        (trades.first_id > trades.last_id, "first id <= last id", trades.first_id),
    ):
        if wrong.any():
            place = int(wrong.argmax())
            raise ReplayError(
                f"{path}, row {row[place]}: expected {expected}, found {values[place]}"
            )
    check_order(trades, str(path), row)
    return trades


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
