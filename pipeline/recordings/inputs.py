"""Files of history, looked at and read in chunks: what is bad in them is told, not raised.

Read are, each told by its content or ending:

- Binance's public dumps of aggregate trades, single trades and klines, spot or futures: `.csv`,
  `.csv.gz`, `.zip`; with a header or without; milliseconds or microseconds, told row by row;
- raw `aggTrade` objects, bare, under `data` of a combined stream or under `info`, as JSON lines or
  as one array: `.json`, `.jsonl`, also `.gz`;
- freqtrade's klines as an array of `[ms, open, high, low, close, volume]` or as feather;
- Parquet of TRADES.

No file is ever held whole: of text some 8 MB at a time are, of tables the rows asked for (and the
row groups they are in).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ReplayError
from pipeline.recordings.checks import judge
from pipeline.recordings.context import in_context, leap_check
from pipeline.recordings.klines import bar_checks, bar_length_us, bars_frame
from pipeline.recordings.names import bar_length_in_name_us, symbol_in_name
from pipeline.recordings.tables import open_feather, open_parquet
from pipeline.recordings.text import open_dump, open_json
from pipeline.recordings.trades import trade_checks, trades_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl

    from pipeline.recordings.context import BlockInContext
    from pipeline.recordings.recording import Kind, Recording

_OPENERS: dict[str, Callable[[Path], Recording]] = {
    ".csv": open_dump,
    ".csv.gz": open_dump,
    ".zip": open_dump,
    ".json": open_json,
    ".json.gz": open_json,
    ".jsonl": open_json,
    ".jsonl.gz": open_json,
    ".parquet": open_parquet,
    ".feather": open_feather,
}

# Rows looked at to tell whose they are and how long a bar is.
_FIRST_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Input:
    """A file that was looked at, not read.

    Attributes:
        path: The file.
        symbol: Whose rows it holds; null where each row tells.
        kind: What it holds.
        every_us: The length of a bar; null for trades.
        rows: How many there are, where the file says so: it may then be read in parts.
        first_number: What reasons call its first row: 2 where a header is row 1, else 1.
    """

    path: Path
    symbol: str | None
    kind: Kind
    every_us: int | None
    rows: int | None
    first_number: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of an input that follow each other.

    Attributes:
        rows: TRADES or BARS in file order, whatever that order is.
        rejected: REJECTED, in file order; the reason starts with the row, such as `row 17: `, and
            the payload is the row as it stands, cut after 300 characters.
        next_row: Rows of the file up to here: the `start_row` of what follows.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    next_row: int


def open_input(path: Path, symbol: str | None = None) -> Input:
    """Look at a file.

    Args:
        path: The file.
        symbol: Whose rows it holds; null to tell it from the rows, else from a file name such as
            `BTCUSDT-aggTrades-2025-01-01.zip`, `BTC_USDT-1m.json.gz` or
            `BTC_USDT_USDT-1m-futures.feather`.

    Raises:
        ReplayError: The file cannot be read, is of no known format, or nothing tells its symbol or
            the length of its bars.
    """
    recording = _open(path)
    _, block = next(recording.blocks(0, _FIRST_ROWS), (0, None))
    if block is None:
        raise ReplayError(f"{path}: expected trades or klines, found none")
    first = block.values
    if first["time_us"].null_count() == first.height:
        raise ReplayError(f"{path}, row {recording.first_number}: {block.fault(0)}")
    if symbol is None and ("symbol" not in first.columns or first["symbol"].count() == 0):
        symbol = _symbol_of(path)
    every_us = _bar_length_us(path, first) if recording.kind == "klines" else None
    return Input(path, symbol, recording.kind, every_us, recording.rows, recording.first_number)


def read_chunks(
    source: Input, rows: int, *, start_row: int = 0, stop_row: int | None = None
) -> Iterator[Chunk]:
    """Yield the rows of a file in chunks; joined, they are the same for any `rows`.

    A row that cannot be used is rejected with the reason; so is a trade whose time leaps ahead of
    the trades around it. Order, repetition and holes are not judged. To start at a row of a text is
    to unpack what is before it.

    Args:
        source: The file.
        rows: The most rows of the file in one chunk, rejected ones included.
        start_row: First row to read, from 0; a header is no row.
        stop_row: The row after the last to read; null for the end of the file.

    Raises:
        ReplayError: The file is damaged or ends too early: raised after the last chunk of what is
            before that, and names the last row of it.
    """
    recording = _open(source.path)
    next_row = start_row
    try:
        for part in in_context(recording.blocks(max(start_row - 1, 0), rows)):
            stop = part.first_row + part.block.values.height
            span = range(next_row, stop if stop_row is None else min(stop, stop_row))
            for chunk in _chunks(source, part, span, rows):
                yield chunk
                next_row = chunk.next_row
            if next_row == stop_row:
                return
    except ReplayError as error:
        last = source.first_number + next_row - 1
        raise ReplayError(f"{error}, after row {last}") from error


def _symbol_of(path: Path) -> str:
    symbol = symbol_in_name(path.name)
    if symbol is None:
        raise ReplayError(
            f"{path}: expected a symbol in the rows, in a file name such as "
            "BTCUSDT-aggTrades-2025-01-01.zip, or as SYMBOL=FILE, found none"
        )
    return symbol


def _bar_length_us(path: Path, first: pl.DataFrame) -> int:
    named_us = bar_length_in_name_us(path.name)
    if named_us is not None:
        return named_us
    spaced_us = bar_length_us(first["time_us"])
    if spaced_us is None:
        raise ReplayError(
            f"{path}: expected the length of a bar in the file name, such as BTCUSDT-1m.csv, "
            "or two bars that tell it, found neither"
        )
    return spaced_us


def _chunks(source: Input, part: BlockInContext, span: range, rows: int) -> Iterator[Chunk]:
    """Yield the rows `span` of the file, all of them in one block."""
    values, first_row = part.block.values, part.first_row
    if source.every_us is None:
        checks = trade_checks(source.symbol, told="symbol" in values.columns)
        checks.append(leap_check(part))
        frame_of = trades_frame
    else:
        checks, frame_of = bar_checks(source.every_us, values.columns), bars_frame
    first_number = source.first_number + first_row
    sound, rejected = judge(part.block, checks, first_number=first_number, symbol=source.symbol)
    frame = frame_of(values.filter(sound), source.symbol)
    # How many rows of the block before each row, and before its end, are sound.
    before = np.concatenate([[0], np.cumsum(sound.to_numpy())])
    for start in range(span.start, span.stop, rows):
        stop = min(start + rows, span.stop)
        first, last = start - first_row, stop - first_row
        good = slice(before[first], before[last])
        bad = slice(first - before[first], last - before[last])
        yield Chunk(frame[good], rejected[bad], stop)


def _open(path: Path) -> Recording:
    for ending, opener in _OPENERS.items():
        if path.name.endswith(ending):
            return opener(path)
    endings = " ".join(_OPENERS)
    raise ReplayError(f"{path}: expected a file that ends in {endings}, found {path.suffix!r}")
