"""Ways to a rolling standard deviation: prices and their returns in, one value a row out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from numba import njit

from pipeline.windows import RollingSum, Samples, Windows
from tests.benchmarks.exactness.inputs import Floats
from tests.benchmarks.timing import OURS

Way = Callable[[Floats, Floats, int], Floats]


def ours(prices: Floats, _: Floats, window: int) -> Floats:
    """Return the kernel's: exact integer sums of the returns it takes itself."""
    rows = len(prices)
    samples = Samples(
        symbol_index=np.zeros(rows, dtype=np.int32),
        time_us=np.zeros(rows, dtype=np.int64),
        close=prices,
        complete=np.ones(rows, dtype=np.bool_),
        trades=np.ones(rows, dtype=np.int64),
    )
    windows = Windows([[RollingSum("deviations", window, need=window)]])
    (deviations,) = windows.push(samples).values  # noqa: PD011 - not a frame
    std: Floats = np.sqrt(deviations / (window - 1))
    return std


def polars(_: Floats, returns: Floats, window: int) -> Floats:
    """Return rolling_std."""
    return pl.Series(returns).fill_nan(None).rolling_std(window).to_numpy()


def pandas(_: Floats, returns: Floats, window: int) -> Floats:
    """Return rolling().std()."""
    return pd.Series(returns).rolling(window).std().to_numpy()


def numpy_cumsum(_: Floats, returns: Floats, window: int) -> Floats:
    """Return differences of cumulative sums."""
    known = np.nan_to_num(returns)
    total, squares = np.cumsum(known), np.cumsum(known * known)
    std = np.full(len(returns), np.nan)
    total = total[window:] - total[:-window]
    squares = squares[window:] - squares[:-window]
    with np.errstate(invalid="ignore"):
        std[window:] = np.sqrt((squares - total * total / window) / (window - 1))
    return std


@njit(cache=True)
def float_sums(_: Floats, returns: Floats, window: int) -> Floats:
    """Return running float sums, added to and taken from."""
    std = np.full(len(returns), np.nan)
    total = squares = 0.0
    for row in range(1, len(returns)):
        total += returns[row]
        squares += returns[row] * returns[row]
        if row > window:
            old = returns[row - window]
            total -= old
            squares -= old * old
        if row >= window:
            std[row] = np.sqrt((squares - total * total / window) / (window - 1))
    return std


def river(_: Floats, returns: Floats, window: int) -> Floats:
    """Return Rolling(Var)."""
    from river import stats, utils  # noqa: PLC0415 - only `make bench` installs it

    rolling: Any = utils.Rolling(stats.Var, window_size=window)
    std = np.full(len(returns), np.nan)
    for row, r in enumerate(returns[1:].tolist(), start=1):
        rolling.update(r)
        variance = rolling.get()
        if row >= window:
            std[row] = math.sqrt(variance) if variance >= 0.0 else math.nan
    return std


WAYS: dict[str, Way] = {
    OURS: ours,
    "Polars rolling_std": polars,
    "pandas rolling.std": pandas,
    "numpy cumsum": numpy_cumsum,
    "float add/remove": float_sums,
    "River Rolling(Var)": river,
}
