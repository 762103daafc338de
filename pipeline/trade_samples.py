"""Every trade a sample: each closes one bar at once.

The time of a symbol never goes back: a trade that is older than the newest by at most `lateness`
gets the newest time, an older one is late. There is no grid, so nothing is filled between trades.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numba import boolean, float64, from_dtype, int32, int64

from pipeline import wide
from pipeline.bar_loop import SCALE
from pipeline.bar_records import BAR
from pipeline.closed_bars import closed_bars
from pipeline.compiled import compiled
from pipeline.marks import NEVER, NONE
from pipeline.signatures import given, together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.closed_bars import ClosedBars
    from pipeline.trade_columns import TradeColumns


class TradeSamples:
    """One bar a trade: open, high, low and close are its price, and both its ids are its own.

    Args:
        symbols: Their names, in index order.
        lateness_us: How much older than the newest a trade may be.
    """

    def __init__(self, symbols: Sequence[str], *, lateness_us: int) -> None:
        self._names = pl.Series(symbols, dtype=pl.String)
        self._lateness_us = lateness_us
        self._newest_us = np.full(len(symbols), NEVER)
        self._lost = np.zeros(len(symbols), dtype=np.bool_)

    def anchor(self, index: int, open_us: int) -> None:
        """Take it that trades of a symbol that had none are at or after `open_us`."""
        self._newest_us[index] = open_us

    def push(
        self,
        trades: TradeColumns,
        clock_us: NDArray[np.int64],  # noqa: ARG002 - no bar waits for a clock
        lost: NDArray[np.bool_],
    ) -> ClosedBars:
        """Make every trade a bar.

        Args:
            trades: In id order for each symbol.
            clock_us: Per symbol; nothing is open that it could close.
            lost: Per symbol, whether what follows its newest trade is lost, up to its next one.
        """
        rows = (
            trades.symbol_index,
            trades.event_us,
            trades.trade_id,
            trades.price,
            trades.quantity,
            trades.after_loss,
        )
        late = np.zeros(len(self._names), dtype=np.int64)
        out = np.empty(len(trades), dtype=BAR)
        written = _sample(rows, self._lateness_us, self._newest_us, self._lost, out, late)
        self._lost |= lost
        return closed_bars(out[:written], self._names, late)

    def extend(self, bars: pl.DataFrame, symbol_type: pl.Enum) -> ClosedBars:  # noqa: ARG002 - as BarBuilder's
        """Take no bars.

        Raises:
            ValueError: There are some: they do not tell the trades in them.
        """
        if bars.height:
            raise ValueError(f"expected trades, each to be a sample, found {bars.height} bars")
        none = np.zeros(len(self._names), dtype=np.int64)
        return closed_bars(np.empty(0, dtype=BAR), self._names, none)

    def relist(self, index: int) -> ClosedBars:
        """Break the series of a symbol, by one bar without a price at its newest time."""
        newest_us = self._newest_us[index]
        bars = np.zeros(0 if newest_us == NEVER else 1, dtype=BAR)
        bars["symbol_index"], bars["open_us"] = index, newest_us
        bars["first_id"] = bars["last_id"] = NONE
        bars["complete"] = not self._lost[index]
        for name in ("open", "high", "low", "close"):
            bars[name] = np.nan
        self._lost[index] = False
        return closed_bars(bars, self._names, np.zeros(len(self._names), dtype=np.int64))

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        return {
            "newest_us": self._newest_us[index : index + 1].copy(),
            "lost": self._lost[index : index + 1].copy(),
        }

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        self._newest_us[index : index + 1] = arrays["newest_us"]
        self._lost[index : index + 1] = arrays["lost"]


_TRADES = together(
    given(int32), given(int64), given(int64), given(float64), given(float64), given(boolean)
)


@compiled(int64(_TRADES, int64, int64[::1], boolean[::1], from_dtype(BAR)[::1], int64[::1]))
def _sample(
    trades: Any,  # noqa: ANN401 - compiled: the signature has the types
    lateness_us: Any,  # noqa: ANN401
    newest_us: Any,  # noqa: ANN401
    lost: Any,  # noqa: ANN401
    out: Any,  # noqa: ANN401
    late: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Write a bar for every trade that is not late; return how many."""
    symbol_index, event_us, trade_id, price, quantity, after_loss = trades
    written = 0
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        lost[s] |= after_loss[row]
        if newest_us[s] != NEVER and event_us[row] < newest_us[s] - lateness_us:
            late[s] += 1
            continue
        newest_us[s] = max(newest_us[s], event_us[row])
        bar = out[written]
        bar.symbol_index, bar.open_us = s, newest_us[s]
        bar.open = bar.high = bar.low = bar.close = price[row]
        size = np.uint64(np.rint(quantity[row] * SCALE))
        high, low = wide.multiply(np.uint64(np.rint(price[row] * SCALE)), size)
        bar.volume = np.float64(size) / SCALE
        bar.notional = wide.as_float(high, low) / SCALE / SCALE
        bar.trades = 1
        bar.first_id = bar.last_id = trade_id[row]
        bar.complete = 0 if lost[s] else 1
        lost[s] = False
        written += 1
    return written
