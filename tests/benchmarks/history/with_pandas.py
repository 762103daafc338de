"""The history job in pandas: resample and rolling, symbol by symbol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks.history.market import Trades
from tests.benchmarks.history.rows import (
    FILL_S,
    HALF_LIFE_S,
    PER_YEAR,
    PRICES,
    SCORE_S,
    VOLATILITY_S,
    Rows,
)


def prepare(trades: Trades) -> Callable[[], Any]:
    """Return the job over these trades, a frame with a category column."""
    frame = trades_frame(trades)
    return lambda: _history(frame)


def rows_of(result: Any, _: Trades) -> Rows:  # noqa: ANN401 - what `prepare` made
    """Return the result as rows."""
    seconds = result.index.get_level_values(1).astype("datetime64[s]").astype("int64")
    codes = result.index.codes[0]
    return Rows.of(codes, seconds, {name: result[name] for name in result.columns})


def trades_frame(trades: Trades) -> pd.DataFrame:
    """Return trades as a frame, the symbols as categories."""
    return pd.DataFrame(
        {
            "symbol": pd.Categorical.from_codes(trades.symbol_index, categories=trades.symbols),
            "event_time": trades.event_us.view("datetime64[us]"),
            "price": trades.price,
            "quantity": trades.quantity,
        }
    )


def _history(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(notional=frame["price"] * frame["quantity"])
    groups = frame.set_index("event_time").groupby("symbol", observed=True, sort=True)
    return pd.concat({symbol: _features(_bars(part)) for symbol, part in groups})


def _bars(trades: pd.DataFrame) -> pd.DataFrame:
    seconds = trades.resample("1s")
    bars = seconds["price"].ohlc()
    bars[["volume", "notional"]] = seconds[["quantity", "notional"]].sum()
    bars["trades"] = seconds["price"].count()
    close = bars["close"].ffill(limit=FILL_S)
    for name in PRICES:
        bars[name] = bars[name].fillna(close)
    return bars


def _features(bars: pd.DataFrame) -> pd.DataFrame:
    r = np.log1p(bars["close"].pct_change(fill_method=None))
    squares = r * r
    for name, window in VOLATILITY_S.items():
        mean = squares.rolling(window, min_periods=window // 2).mean()
        mean.iloc[:window] = np.nan
        bars[name] = np.sqrt(mean * PER_YEAR)
    bars["ewma_vol_1m"] = np.sqrt(squares.ewm(halflife=HALF_LIFE_S).mean() * PER_YEAR)
    before = r.shift(1).rolling(SCORE_S, min_periods=SCORE_S // 2)
    score = (r - before.mean()).abs() / before.std()
    score.iloc[: SCORE_S + 1] = np.nan
    bars["score"] = score
    return bars
