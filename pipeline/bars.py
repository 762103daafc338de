"""Trades -> one bar a symbol and grid step, exactly.

Prices stay as they came; quantities and notionals are summed as integers in 1e-8 and 1e-16 units,
so that a bar does not depend on how its trades were cut into batches and equals the venue's own.

A bar [open_time, open_time + every) closes when the symbol's clock has passed its end by the
allowed lateness. The clock is the newest event time of the symbol, or what the caller says it is at
least. A trade of a closed bar is late: it is counted and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numba import njit

from pipeline import wide
from pipeline.schema import BARS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Quantities and prices are whole multiples of this, as on every venue we read.
RESOLUTION = 1e-8

_SCALE = 1e8
_NEVER = np.iinfo(np.int64).min
_ONWARD = np.iinfo(np.int64).max

# Per symbol: the next step to publish, the newest event time, the newest published step with a
# trade, the step of the newest trade, and the steps whose bars miss lost trades (both inclusive).
_NEXT, _NEWEST_US, _TRADED, _LAST_STEP, _BROKEN_FROM, _BROKEN_UNTIL = range(6)

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
        self._marks = np.full((count, 6), _NEVER, dtype=np.int64)  # columns: _NEXT.._BROKEN_UNTIL
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
        self._marks[index, _NEXT] = open_us // self._every_us
        if not np.isnan(close):
            self._marks[index, _TRADED] = traded_us // self._every_us

    def lose(self, index: int) -> None:
        """Take it that what follows a symbol's last trade is lost, up to its next one."""
        marks = self._marks[index]
        if marks[_BROKEN_UNTIL] < marks[_NEXT]:
            marks[_BROKEN_FROM] = marks[_LAST_STEP] if marks[_LAST_STEP] != _NEVER else marks[_NEXT]
        marks[_BROKEN_UNTIL] = _ONWARD

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
        written = _build(
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
        newest = np.maximum(self._marks[:, _NEWEST_US], clock_us)
        np.maximum.at(newest, trades["symbol_index"], trades["event_us"])
        start = self._marks[:, _NEXT].copy()
        for at in np.flatnonzero(start == _NEVER):
            mine = trades["event_us"][trades["symbol_index"] == at]
            start[at] = mine[0] // self._every_us if len(mine) else _NEVER
        waiting = (start == _NEVER) | (newest == _NEVER)
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


_SIGNATURE_STATE = (
    "Tuple((int64[:,::1], float64[::1], float64[:,:,::1], int64[:,:,::1], uint64[:,:,::1]))"
)
_SIGNATURE_OUT = "Tuple((int32[::1], int64[::1], float64[:,::1], int64[:,::1], float64[:,::1]))"


@njit(f"void(int64, int64, int64, float64, float64, {_SIGNATURE_STATE})", cache=True, nogil=True)
def _merge(s: Any, step: Any, trade_id: Any, price: Any, quantity: Any, state: Any) -> None:  # noqa: ANN401 - compiled: the signature has the types
    """Add one trade to its open bar."""
    _, _, prices, ids, sums = state
    slot = step % prices.shape[1]
    if ids[s, slot, 0] == 0:
        prices[s, slot, :] = price
        ids[s, slot, 1] = trade_id
        sums[s, slot, :] = 0
    prices[s, slot, 1] = max(prices[s, slot, 1], price)
    prices[s, slot, 2] = min(prices[s, slot, 2], price)
    prices[s, slot, 3] = price
    ids[s, slot, 0] += 1
    ids[s, slot, 2] = trade_id
    size = np.uint64(np.rint(quantity / RESOLUTION))
    high, low = wide.add(sums[s, slot, 0], sums[s, slot, 1], np.uint64(0), size)
    sums[s, slot, 0], sums[s, slot, 1] = high, low
    high, low = wide.multiply(np.uint64(np.rint(price / RESOLUTION)), size)
    high, low = wide.add(sums[s, slot, 2], sums[s, slot, 3], high, low)
    sums[s, slot, 2], sums[s, slot, 3] = high, low


@njit("void(int64, int64, int64[:,::1])", cache=True, nogil=True)
def _break(s: Any, step: Any, marks: Any) -> None:  # noqa: ANN401 - as above
    """Mark the bars from the trade before a loss to the one after it, `step`, as incomplete."""
    since = marks[s, _LAST_STEP] if marks[s, _LAST_STEP] != _NEVER else marks[s, _NEXT]
    if marks[s, _BROKEN_UNTIL] < marks[s, _NEXT]:  # all of the last loss is published
        marks[s, _BROKEN_FROM] = since
    if marks[s, _BROKEN_UNTIL] == _ONWARD:
        marks[s, _BROKEN_UNTIL] = step
    else:
        marks[s, _BROKEN_UNTIL] = max(marks[s, _BROKEN_UNTIL], step)


@njit(
    f"int64(int64, int64, int64[::1], {_SIGNATURE_STATE}, {_SIGNATURE_OUT}, int64)",
    cache=True,
    nogil=True,
)
def _close_until(s: Any, until: Any, limits: Any, state: Any, out: Any, written: Any) -> Any:  # noqa: ANN401 - as above
    """Publish the bars of steps before `until`; return how many are written in all."""
    marks, close, prices, ids, sums = state
    index, step_out, prices_out, ids_out, amounts_out = out
    slots = prices.shape[1]
    start = marks[s, _NEXT]
    step = start
    while step < until:
        slot = step % slots
        traded = ids[s, slot, 0] > 0
        quiet = step - marks[s, _TRADED] if marks[s, _TRADED] != _NEVER else limits[3] + 1
        if traded:
            prices_out[written] = prices[s, slot]
            ids_out[written, :3] = ids[s, slot]
            amounts_out[written, 0] = wide.as_float(sums[s, slot, 0], sums[s, slot, 1]) / _SCALE
            notional = wide.as_float(sums[s, slot, 2], sums[s, slot, 3])
            amounts_out[written, 1] = notional / _SCALE / _SCALE
            close[s] = prices[s, slot, 3]
            ids[s, slot, 0] = 0
            marks[s, _TRADED] = step
        elif quiet <= limits[3]:
            prices_out[written] = close[s] if quiet <= limits[2] else np.nan
            ids_out[written, :3] = 0
            amounts_out[written] = 0.0
        elif step < start + slots:
            step += 1
            continue
        else:
            step = until
            break
        index[written] = s
        step_out[written] = step
        broken = marks[s, _BROKEN_FROM] <= step <= marks[s, _BROKEN_UNTIL]
        ids_out[written, 3] = 0 if broken else 1
        written += 1
        step += 1
    marks[s, _NEXT] = max(start, step)
    return written


@njit(
    "int64(Tuple((int32[::1], int64[::1], int64[::1], float64[::1], float64[::1], boolean[::1])),"
    f" int64[::1], int64[::1], {_SIGNATURE_STATE}, {_SIGNATURE_OUT}, int64[::1])",
    cache=True,
    nogil=True,
)
def _build(trades: Any, clock_us: Any, limits: Any, state: Any, out: Any, late: Any) -> Any:  # noqa: ANN401 - as above
    """Apply every trade, then every clock; return how many bars were written."""
    symbol_index, event_us, trade_id, price, quantity, after_loss = trades
    marks = state[0]
    every, lateness = limits[0], limits[1]
    written = 0
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        step = event_us[row] // every
        if marks[s, _NEXT] == _NEVER:
            marks[s, _NEXT] = step
        if after_loss[row]:
            _break(s, step, marks)
        if event_us[row] > marks[s, _NEWEST_US]:
            marks[s, _NEWEST_US] = event_us[row]
            until = (event_us[row] - lateness) // every
            written = _close_until(s, until, limits, state, out, written)
        if step < marks[s, _NEXT]:
            late[s] += 1
        else:
            _merge(s, step, trade_id[row], price[row], quantity[row], state)
            marks[s, _LAST_STEP] = step
    for s in range(len(marks)):
        if clock_us[s] > marks[s, _NEWEST_US] and marks[s, _NEXT] != _NEVER:
            marks[s, _NEWEST_US] = clock_us[s]
            until = (clock_us[s] - lateness) // every
            written = _close_until(s, until, limits, state, out, written)
    return written
