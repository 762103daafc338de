"""Bars that closed: arrays for the computation behind them, and the BARS frame of the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from pipeline.bar_records import BAR, spread
from pipeline.marks import NONE
from pipeline.schema import BARS, TIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.trade_columns import TradeColumns


_NO_ROWS = np.empty(0, dtype=np.bool_)
_NO_RECORDS = np.empty(0, dtype=BAR)


@dataclass(frozen=True, slots=True)
class ClosedBars:
    """Bars that closed, in time order for each symbol. The frame shares memory with the arrays.

    Attributes:
        frame: BARS rows.
        symbol_index: Row by row, the position of the symbol.
        open_us: Row by row, the open time.
        prices: Open, high, low and close, a row of the array each; NaN for none.
        trades: Row by row, how many trades; -1 where that is not known.
        complete: Row by row, whether every trade of the step is in it.
        late: How many of the given rows were late, per symbol.
        records: The same bars as BAR, with their exact sums; none unless they are kept.
        is_late: Given row by given row, whether it was late.
    """

    frame: pl.DataFrame
    symbol_index: NDArray[np.int32]
    open_us: NDArray[np.int64]
    prices: NDArray[np.float64]
    trades: NDArray[np.int64]
    complete: NDArray[np.bool_]
    late: NDArray[np.int64]
    records: NDArray[np.void]
    is_late: NDArray[np.bool_]


class Sampler(Protocol):
    """What makes samples, as bars, of the trades of a shard."""

    def anchor(self, index: int, open_us: int) -> None:
        """Take it that the first bar of a symbol that had none opens at `open_us`."""

    def push(
        self, trades: TradeColumns, clock_us: NDArray[np.int64], lost: NDArray[np.bool_]
    ) -> ClosedBars:
        """Add trades, then close what the clocks have passed.

        Args:
            trades: In id order for each symbol.
            clock_us: Per symbol, the least its clock now shows; ENDED closes what is open up to
                the bar of its newest trade, inclusive.
            lost: Per symbol, whether what follows its newest trade is lost, up to its next one.
        """

    def extend(self, bars: pl.DataFrame, symbol_type: pl.Enum) -> ClosedBars:
        """Add BARS as a venue gives them."""

    def relist(self, index: int) -> ClosedBars:
        """Break the series of a symbol of which nothing is open, by one bar without a price."""

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""


class BarColumns:
    """Room for bars that close, as columns.

    Args:
        rows: As many as will hardly be more.
    """

    def __init__(self, rows: int) -> None:
        self._written = 0
        self._index = np.empty(rows, dtype=np.int32)
        self._integers, self._floats = np.empty((4, rows), dtype=np.int64), np.empty((6, rows))
        self._complete = np.empty(rows, dtype=np.bool_)

    def add(self, bars: NDArray[np.void]) -> None:
        """Write more BAR rows."""
        while len(self._index) < self._written + len(bars):
            self._grow()
        columns = self._index, self._integers, self._floats, self._complete
        spread(bars, self._written, *columns)
        self._written += len(bars)

    def closed(
        self,
        names: pl.Series,
        late: NDArray[np.int64],
        is_late: NDArray[np.bool_] = _NO_ROWS,
        records: NDArray[np.void] = _NO_RECORDS,
    ) -> ClosedBars:
        """Return what was written.

        Args:
            names: Of the symbols.
            late: How many of the given rows were late, per symbol.
            is_late: Given trade by given trade, whether it was; empty without trades.
            records: What was written, where that is to be kept.
        """
        rows = slice(self._written)
        index, complete = self._index[rows], self._complete[rows]
        integers, floats = self._integers[:, rows], self._floats[:, rows]
        return ClosedBars(
            _frame(names, index, integers, floats, complete),
            index,
            integers[0],
            floats[:4],
            integers[1],
            complete,
            late,
            records,
            is_late,
        )

    def _grow(self) -> None:
        """Double the room."""
        self._index = np.concatenate([self._index, np.empty_like(self._index)])
        self._complete = np.concatenate([self._complete, np.empty_like(self._complete)])
        self._integers = np.hstack([self._integers, np.empty_like(self._integers)])
        self._floats = np.hstack([self._floats, np.empty_like(self._floats)])


def closed_bars(bars: NDArray[np.void], names: pl.Series, late: NDArray[np.int64]) -> ClosedBars:
    """Return BAR rows as columns.

    Args:
        bars: BAR.
        names: Of the symbols.
        late: How many of the given rows were late, per symbol.
    """
    columns = BarColumns(len(bars))
    columns.add(bars)
    return columns.closed(names, late)


def _frame(
    names: pl.Series,
    index: NDArray[np.int32],
    integers: NDArray[np.int64],
    floats: NDArray[np.float64],
    complete: NDArray[np.bool_],
) -> pl.DataFrame:
    """Return BARS. Series by series: an expression costs more than a small column."""
    open_us, *counts = integers
    whole = []
    for name, column in zip(("trades", "first_id", "last_id"), counts, strict=True):
        series = pl.Series(name, column)
        unknown = column == NONE
        whole.append(series.set(pl.Series(unknown), None) if unknown.any() else series)
    return pl.DataFrame(
        [
            names[index].alias("symbol"),
            pl.Series("open_time", open_us).cast(TIME),
            *(
                pl.Series(name, column, nan_to_null=True)
                for name, column in zip(BARS.names()[2:8], floats, strict=True)
            ),
            *whole,
            pl.Series("complete", complete),
            pl.Series("revision", np.zeros(len(index), dtype=np.int32)),
        ]
    )
