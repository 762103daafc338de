"""The rolling job in plain Python, as a loop over tuples."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.rolling.columns import COUNT, NAMES, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks
from tests.benchmarks.rolling.welford import Symbol

Tick = tuple[str, int, float]
_NAN = float("nan")


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job with running sums."""
    rows = tick_rows(ticks)
    return lambda: _running(rows)


def prepare_statistics(ticks: Ticks) -> Callable[[], Any]:
    """Return the job with `statistics` over a deque at every tick."""
    rows = tick_rows(ticks)
    return lambda: _naive(rows)


def tick_rows(ticks: Ticks) -> list[Tick]:
    """Return ticks as (symbol, time_us, price)."""
    names = [ticks.symbols[at] for at in ticks.symbol_index]
    return list(zip(names, ticks.time_us.tolist(), ticks.price.tolist(), strict=True))


def columns_of(result: Any, _: Ticks) -> Columns:  # noqa: ANN401 - what `prepare` made
    """Return the result as columns."""
    return dict(zip(NAMES, np.array(result, dtype=float).T, strict=True))


def _running(ticks: list[Tick]) -> list[tuple[float, float, float]]:
    symbols: defaultdict[str, Symbol] = defaultdict(Symbol)
    return [symbols[symbol].tick(time_us, price) for symbol, time_us, price in ticks]


def _naive(ticks: list[Tick]) -> list[tuple[float, float, float]]:
    prices: dict[str, float] = {}
    first_us: dict[str, int] = {}
    windows: defaultdict[str, deque[tuple[int, float]]] = defaultdict(deque)
    newest: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=COUNT))
    result = []
    for symbol, time_us, price in ticks:
        std_count = std_time = z = _NAN
        if symbol in prices:
            r = math.log(price / prices[symbol])
            last, recent = newest[symbol], windows[symbol]
            if len(last) == COUNT:
                z = (r - statistics.mean(last)) / statistics.stdev(last)
            last.append(r)
            if len(last) == COUNT:
                std_count = statistics.stdev(last)
            recent.append((time_us, r))
            while recent[0][0] <= time_us - REACH_US:
                recent.popleft()
            if time_us - first_us[symbol] >= REACH_US:
                std_time = statistics.stdev(x for _, x in recent)
        else:
            first_us[symbol] = time_us
        prices[symbol] = price
        result.append((std_count, std_time, z))
    return result
