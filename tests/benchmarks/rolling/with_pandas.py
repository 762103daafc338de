"""The rolling job in pandas, symbol by symbol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks.rolling.columns import COUNT, NAMES, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job over these ticks, a frame with a category column and a time index."""
    frame = ticks_frame(ticks).set_index("time")
    return lambda: [_rolling(part) for _, part in frame.groupby("symbol", observed=True)]


def ticks_frame(ticks: Ticks) -> pd.DataFrame:
    """Return ticks as a frame, the symbols as categories."""
    return pd.DataFrame(
        {
            "row": np.arange(len(ticks.price)),
            "symbol": pd.Categorical.from_codes(ticks.symbol_index, categories=ticks.symbols),
            "time": ticks.time_us.view("datetime64[us]"),
            "price": ticks.price,
        }
    )


def columns_of(result: Any, _: Ticks) -> Columns:  # noqa: ANN401 - what `prepare` made
    """Return the result as columns in the order of the ticks."""
    rows = pd.concat(result).sort_values("row")
    return {name: rows[name].to_numpy() for name in NAMES}


def _rolling(ticks: pd.DataFrame) -> pd.DataFrame:
    r = np.log1p(ticks["price"].pct_change(fill_method=None))
    by_count = r.rolling(COUNT)
    reach = pd.Timedelta(microseconds=REACH_US)
    std_time = r.rolling(reach, min_periods=2).std()
    std = by_count.std()
    return ticks.assign(
        std_count=std,
        std_time=std_time.where(ticks.index - ticks.index[0] >= reach),
        z=(r - by_count.mean().shift(1)) / std.shift(1),
    )
