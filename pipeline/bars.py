"""Trades -> one bar a symbol and grid step, exactly.

Prices stay as they came; quantities and notionals are summed as integers in 1e-8 and 1e-16 units,
so that a bar does not depend on how its trades were cut into batches and equals the venue's own.

A bar [open_time, open_time + every) closes when the symbol's clock has passed its end by the
allowed lateness. The clock is the newest event time of the symbol, or what the caller says it is at
least. A trade of a closed bar is late: it is counted and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.bar_loop import (
    BROKEN_FROM,
    BROKEN_UNTIL,
    LAST_STEP,
    NEVER,
    NEWEST_US,
    NEXT,
    ONWARD,
    TRADED,
    build,
)
from pipeline.schema import BARS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: What the builder needs of a trade. `after_loss`: ids between it and the one before are lost.
TRADE_ROW = np.dtype(
    [
        ("trade_id", np.int64),
        ("event_us", np.int64),
        ("receive_us", np.int64),
        ("price", np.float64),
        ("quantity", np.float64),
        ("buyer_is_maker", np.bool_),
        ("symbol_index", np.int32),
        ("live", np.bool_),
        ("after_loss", np.bool_),
    ]
)


@dataclass(frozen=True, slots=True)
class ClosedBars:
    """Bars that closed, in time order for each symbol.

    Attributes:
        frame: BARS rows.
        symbol_index: Row by row, the position of the symbol.
        open_us: Row by row, the open time.
        close: Row by row, the close; NaN for none.
        complete: Row by row, whether every trade of the step is in it.
        late: How many of the given trades were late, per symbol.
    """

    frame: pl.DataFrame
    symbol_index: NDArray[np.int32]
    open_us: NDArray[np.int64]
    close: NDArray[np.float64]
    complete: NDArray[np.bool_]
    late: NDArray[np.int64]


class BarBuilder:
    """The open bars of a shard.

    Args:
        symbols: Their names, in index order.
        every_us: The grid step.
        lateness_us: How long after its end a bar waits.
        forward_fill_us: How long a close stays valid without a trade; then prices are null.
        silence_us: After so long without a trade no bars are published until the next trade.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        every_us: int,
        lateness_us: int,
        forward_fill_us: int,
        silence_us: int,
    ) -> None:
        self._symbols = np.array(symbols, dtype=object)
        self._every_us = every_us
        self._lateness_us = lateness_us
        count = len(symbols)
        slots = lateness_us // every_us + 2
        self._limits = np.array(
            [every_us, lateness_us, forward_fill_us // every_us, silence_us // every_us]
        )
        self._marks = np.full((count, 6), NEVER, dtype=np.int64)  # columns: NEXT..BROKEN_UNTIL
        self._close = np.full(count, np.nan)
        self._prices = np.zeros((count, slots, 4))  # open high low close
        self._ids = np.zeros((count, slots, 3), dtype=np.int64)  # trades, first, last
        self._sums = np.zeros((count, slots, 4), dtype=np.uint64)  # volume, notional: two limbs

    def anchor(self, index: int, open_us: int, close: float, traded_us: int) -> None:
        """Continue a symbol at a grid step from the close before it.

        Args:
            index: Position of the symbol.
            open_us: Open time of the first bar to build.
            close: The close before it, NaN for none.
            traded_us: Open time of the bar of the last trade; ignored where there is no close.
        """
        self._close[index] = close
        self._marks[index, NEXT] = open_us // self._every_us
        if not np.isnan(close):
            self._marks[index, TRADED] = traded_us // self._every_us

    def lose(self, index: int) -> None:
        """Take it that what follows a symbol's last trade is lost, up to its next one."""
        marks = self._marks[index]
        if marks[BROKEN_UNTIL] < marks[NEXT]:
            marks[BROKEN_FROM] = marks[LAST_STEP] if marks[LAST_STEP] != NEVER else marks[NEXT]
        marks[BROKEN_UNTIL] = ONWARD

    def push(self, trades: NDArray[np.void], clock_us: NDArray[np.int64]) -> ClosedBars:
        """Add trades, then close what the clocks have passed.

        Args:
            trades: TRADE_ROW rows, in id order for each symbol.
            clock_us: Per symbol, the least its clock now shows.
        """
        rows = self._most_closing(trades, clock_us)
        index = np.empty(rows, dtype=np.int32)
        step = np.empty(rows, dtype=np.int64)
        prices = np.empty((rows, 4))
        ids = np.empty((rows, 4), dtype=np.int64)
        amounts = np.empty((rows, 2))
        late = np.zeros(len(self._symbols), dtype=np.int64)
        columns = ("symbol_index", "event_us", "trade_id", "price", "quantity", "after_loss")
        written = build(
            tuple(np.ascontiguousarray(trades[name]) for name in columns),
            clock_us,
            self._limits,
            (self._marks, self._close, self._prices, self._ids, self._sums),
            (index, step, prices, ids, amounts),
            late,
        )
        index, step, prices, ids = index[:written], step[:written], prices[:written], ids[:written]
        open_us = step * self._every_us
        frame = self._frame(index, open_us, prices, ids, amounts[:written])
        close = np.ascontiguousarray(prices[:, 3])
        return ClosedBars(frame, index, open_us, close, ids[:, 3] == 1, late)

    def _most_closing(self, trades: NDArray[np.void], clock_us: NDArray[np.int64]) -> int:
        """Return an upper bound of the bars that a push will close."""
        newest = np.maximum(self._marks[:, NEWEST_US], clock_us)
        np.maximum.at(newest, trades["symbol_index"], trades["event_us"])
        start = self._marks[:, NEXT].copy()
        for at in np.flatnonzero(start == NEVER):
            mine = trades["event_us"][trades["symbol_index"] == at]
            start[at] = mine[0] // self._every_us if len(mine) else NEVER
        waiting = (start == NEVER) | (newest == NEVER)
        until = (np.where(waiting, 0, newest) - self._lateness_us) // self._every_us
        span = np.maximum(until - np.where(waiting, until, start), 0)
        # A silence publishes no more than its limit, before each trade and at the end.
        slots = self._prices.shape[1]
        silences = (len(trades) + 1) * (int(self._limits[3]) + slots)
        return int(np.minimum(span, silences).sum())

    def _frame(
        self,
        index: NDArray[np.int32],
        open_us: NDArray[np.int64],
        prices: NDArray[np.float64],
        ids: NDArray[np.int64],
        amounts: NDArray[np.float64],
    ) -> pl.DataFrame:
        traded = pl.Series(ids[:, 0] > 0)
        frame = pl.DataFrame(
            {
                "symbol": pl.Series(self._symbols[index], dtype=pl.String, strict=True),
                "open_time": open_us,
                **{name: prices[:, at] for at, name in enumerate(("open", "high", "low", "close"))},
                "volume": amounts[:, 0],
                "notional": amounts[:, 1],
                "trades": ids[:, 0],
                "first_id": ids[:, 1],
                "last_id": ids[:, 2],
                "complete": ids[:, 3] == 1,
                "revision": np.zeros(len(index), dtype=np.int32),
            }
        )
        return frame.with_columns(
            pl.col("open_time").cast(BARS["open_time"]),
            pl.col("open", "high", "low", "close").fill_nan(None),
            pl.when(traded).then(pl.col("first_id")).alias("first_id"),
            pl.when(traded).then(pl.col("last_id")).alias("last_id"),
        )
