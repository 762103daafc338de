"""The rolling job with River's Rolling and TimeRolling variance."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from river import stats, utils

from tests.benchmarks.rolling.columns import COUNT, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks
from tests.benchmarks.rolling.with_python import columns_of as _columns_of
from tests.benchmarks.rolling.with_python import tick_rows

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - as River's examples have it
_NAN = float("nan")
_REACH = dt.timedelta(microseconds=REACH_US)


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job over these ticks, (symbol, datetime, price)."""
    rows = [
        (symbol, _EPOCH + dt.timedelta(microseconds=time_us), price)
        for symbol, time_us, price in tick_rows(ticks)
    ]
    return lambda: _run(rows)


columns_of: Callable[[Any, Ticks], Columns] = _columns_of


class _Symbol:
    def __init__(self) -> None:
        self.price: float | None = None
        self.first: dt.datetime | None = None
        self.seen = 0
        self.by_count = utils.Rolling(stats.Var, window_size=COUNT)
        self.by_time = utils.TimeRolling(stats.Var, period=_REACH)

    def tick(self, time: dt.datetime, price: float) -> tuple[float, float, float]:
        before, self.price = self.price, price
        if before is None or self.first is None:
            self.first = time
            return _NAN, _NAN, _NAN
        r = math.log1p((price - before) / before)
        z = (
            (r - self.by_count.mean.get()) / math.sqrt(self.by_count.get())
            if self.seen >= COUNT
            else _NAN
        )
        self.seen += 1
        self.by_count.update(r)
        self.by_time.update(r, t=time)
        std_count = math.sqrt(self.by_count.get()) if self.seen >= COUNT else _NAN
        std_time = math.sqrt(self.by_time.get()) if time - self.first >= _REACH else _NAN
        return std_count, std_time, z


def _run(ticks: list[tuple[str, dt.datetime, float]]) -> list[tuple[float, float, float]]:
    symbols: defaultdict[str, _Symbol] = defaultdict(_Symbol)
    return [symbols[symbol].tick(time, price) for symbol, time, price in ticks]
