"""Blocks of a recording with what is written around them, and what only that can tell of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from pipeline.durations import HOUR
from pipeline.errors import ReplayError
from pipeline.recordings.checks import TIME_CHECK, Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.recordings.recording import Block


@dataclass(frozen=True, slots=True)
class BlockInContext:
    """A block of a file.

    Attributes:
        first_row: How many rows of the file are before it.
        block: Its rows.
        before: The row before it, of each market where rows tell theirs; none that was not read.
        after: The two rows after it, likewise, as far as the next block has them.
    """

    first_row: int
    block: Block
    before: pl.DataFrame
    after: pl.DataFrame


def in_context(blocks: Iterator[tuple[int, Block]]) -> Iterator[BlockInContext]:
    """Yield blocks one behind the reader.

    Raises:
        ReplayError: As `blocks` does, after the last block before that.
    """
    failure = None
    before = None
    held = next(blocks, None)
    while held is not None:
        first_row, block = held
        try:
            held = next(blocks, None)
        except ReplayError as error:
            held, failure = None, error
        none = block.values.clear()
        before = none if before is None else before
        after = none if held is None else _first_two(held[1].values)
        yield BlockInContext(first_row, block, before, after)
        before = _last(pl.concat([before, block.values]))
    if failure is not None:
        raise failure


def _first_two(values: pl.DataFrame) -> pl.DataFrame:
    """Return the first two rows of each market, or of all where rows do not tell theirs."""
    if "symbol" in values.columns:
        return values.filter(pl.int_range(pl.len()).over("symbol") < 2)
    return values.head(2)


def _last(values: pl.DataFrame) -> pl.DataFrame:
    """Return the last row of each market, or of all where rows do not tell theirs."""
    if "symbol" in values.columns:
        return values.unique("symbol", keep="last", maintain_order=True)
    return values.tail(1)


def leap_check(part: BlockInContext) -> Check:
    """Return the check that a trade's time does not leap ahead of the trades around it.

    One such row would close every bar up to it, and make late what follows. Refuted is a time that
    is more than an hour after that of the row before, and more than an hour after that of the next
    row, which is a later trade by its id; both of the same market. Where there is none before, as
    in the first row of a file, the next two must be so long before it, if there are two. A hole
    that was fetched afterwards, a new numbering, or one row from the past do not look so. Of
    several such rows in turn none is seen, nor the last of a file.

    Args:
        part: Trades, see `Block.values`.
    """
    values = part.block.values
    around = pl.concat([part.before, values, part.after], how="vertical")
    time_us = pl.when(TIME_CHECK.holds).then(pl.col("time_us"))
    # Else a row from the past would refute the first of a file, which it follows.
    confirmed = (time_us - time_us.shift(-2) > HOUR).fill_null(value=True)
    leaps = (
        (time_us - time_us.shift(1) > HOUR).fill_null(confirmed)
        & (time_us - time_us.shift(-1) > HOUR)
        & (pl.col("trade_id").shift(-1) > pl.col("trade_id"))
    )
    if "symbol" in values.columns:
        leaps = leaps.over("symbol")
    found = around.select(leaps.fill_null(value=False)).to_series()
    return Check(
        "a time at most an hour after that of the next trade",
        pl.col("time_us"),
        pl.lit(~found.slice(part.before.height, values.height)),
    )
