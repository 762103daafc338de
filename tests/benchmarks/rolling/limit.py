"""The practical limit of the rolling job: one compiled pass with running float sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from tests.benchmarks.rolling.columns import COUNT, NAMES, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks

_RING = 4096  # a power of two above the ticks of a window


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job over these ticks."""
    columns = (ticks.symbol_index, ticks.time_us, ticks.price)
    return lambda: _rolling(*columns, len(ticks.symbols))


def columns_of(result: Any, _: Ticks) -> Columns:  # noqa: ANN401 - what `prepare` made
    """Return the result as columns."""
    return dict(zip(NAMES, result, strict=True))


@njit(cache=True, error_model="numpy")
def _rolling(  # noqa: PLR0915 - one pass
    symbol_index: Any,  # noqa: ANN401 - compiled: the arguments have the types
    time_us: Any,  # noqa: ANN401
    price: Any,  # noqa: ANN401
    symbols: int,
) -> Any:  # noqa: ANN401
    count = len(symbol_index)
    std_count, std_time, z = np.empty(count), np.empty(count), np.empty(count)
    before = np.full(symbols, np.nan)
    first_us = np.zeros(symbols, np.int64)
    seen = np.zeros(symbols, np.int64)  # returns so far
    oldest = np.zeros(symbols, np.int64)  # the first return in the window by time
    returns = np.zeros((symbols, _RING))
    times = np.zeros((symbols, _RING), np.int64)
    sums = np.zeros((symbols, 4))  # by count: sum, squares; by time: sum, squares
    for row in range(count):
        s = symbol_index[row]
        r = np.log1p((price[row] - before[s]) / before[s])
        before[s] = price[row]
        std_count[row] = std_time[row] = z[row] = np.nan
        if np.isnan(r):  # a symbol's first tick
            first_us[s] = time_us[row]
            continue
        n, now_us = seen[s], time_us[row]
        if n >= COUNT:
            mean = sums[s, 0] / COUNT
            z[row] = (r - mean) / np.sqrt((sums[s, 1] - sums[s, 0] * mean) / (COUNT - 1))
            old = returns[s, (n - COUNT) % _RING]
            sums[s, 0] -= old
            sums[s, 1] -= old * old
        sums[s, 0] += r
        sums[s, 1] += r * r
        sums[s, 2] += r
        sums[s, 3] += r * r
        returns[s, n % _RING] = r
        times[s, n % _RING] = now_us
        seen[s] = n + 1
        while times[s, oldest[s] % _RING] <= now_us - REACH_US:
            old = returns[s, oldest[s] % _RING]
            sums[s, 2] -= old
            sums[s, 3] -= old * old
            oldest[s] += 1
        if n + 1 >= COUNT:
            mean = sums[s, 0] / COUNT
            std_count[row] = np.sqrt((sums[s, 1] - sums[s, 0] * mean) / (COUNT - 1))
        held = n + 1 - oldest[s]
        if held >= 2 and now_us - first_us[s] >= REACH_US:
            mean = sums[s, 2] / held
            std_time[row] = np.sqrt((sums[s, 3] - sums[s, 2] * mean) / (held - 1))
    return std_count, std_time, z
