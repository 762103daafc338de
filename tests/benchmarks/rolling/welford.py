"""Rolling variance in plain Python: a mean and a sum of squares, updated as values come and go."""

from __future__ import annotations

import math
from collections import deque

from tests.benchmarks.rolling.columns import COUNT, REACH_US

_NAN = float("nan")


class _Moments:
    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, x: float) -> None:
        self.count += 1
        delta = x - self.mean
        self.mean += delta / self.count
        self._squares += delta * (x - self.mean)

    def remove(self, x: float) -> None:
        self.count -= 1
        if self.count == 0:
            self.mean = self._squares = 0.0
            return
        delta = x - self.mean
        self.mean -= delta / self.count
        self._squares -= delta * (x - self.mean)

    def std(self) -> float:
        return math.sqrt(max(0.0, self._squares / (self.count - 1))) if self.count > 1 else _NAN


class Symbol:
    """The windows of one symbol."""

    def __init__(self) -> None:
        self._price: float | None = None
        self._first_us = 0
        self._newest: deque[float] = deque()
        self._recent: deque[tuple[int, float]] = deque()
        self._by_count = _Moments()
        self._by_time = _Moments()

    def tick(self, time_us: int, price: float) -> tuple[float, float, float]:
        """Return std_count, std_time and z of a tick; NaN while unknown."""
        before, self._price = self._price, price
        if before is None:
            self._first_us = time_us
            return _NAN, _NAN, _NAN
        r = math.log1p((price - before) / before)
        z = _NAN
        if len(self._newest) == COUNT:
            z = (r - self._by_count.mean) / self._by_count.std()
            self._by_count.remove(self._newest.popleft())
        self._newest.append(r)
        self._by_count.add(r)
        self._recent.append((time_us, r))
        self._by_time.add(r)
        while self._recent[0][0] <= time_us - REACH_US:
            self._by_time.remove(self._recent.popleft()[1])
        std_count = self._by_count.std() if len(self._newest) == COUNT else _NAN
        std_time = self._by_time.std() if time_us - self._first_us >= REACH_US else _NAN
        return std_count, std_time, z
