"""The history job in plain Python: a deque a window, `statistics` over it at every bar."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.benchmarks.history.market import Trades
from tests.benchmarks.history.rows import (
    FILL_S,
    HALF_LIFE_S,
    NAMES,
    PER_YEAR,
    SCORE_S,
    VOLATILITY_S,
    Rows,
)

_DECAY = 2.0 ** (-1.0 / HALF_LIFE_S)


def prepare(trades: Trades) -> Callable[[], Any]:
    """Return the job over these trades, a list of tuples."""
    names = [trades.symbols[at] for at in trades.symbol_index]
    columns = (trades.event_us.tolist(), trades.price.tolist(), trades.quantity.tolist())
    rows = list(zip(names, *columns, strict=True))
    return lambda: _history(rows)


def rows_of(result: Any, trades: Trades) -> Rows:  # noqa: ANN401 - what `prepare` made
    """Return the result as rows."""
    symbols, seconds, *columns = zip(*result, strict=True)
    index = {symbol: at for at, symbol in enumerate(trades.symbols)}
    values = dict(zip(NAMES, (np.array(column, dtype=float) for column in columns), strict=True))
    return Rows.of([index[symbol] for symbol in symbols], seconds, values)


def _history(trades: list[tuple[str, int, float, float]]) -> list[tuple[Any, ...]]:
    result = []
    bars: dict[str, list[float]] = {}
    series: dict[str, _Series] = {}
    for symbol, event_us, price, quantity in trades:
        second = event_us // 1_000_000
        bar = bars.get(symbol)
        if bar is None or bar[0] != second:
            if bar is None:
                series[symbol] = _Series()
            else:
                result += [(symbol, *row) for row in series[symbol].close(bar, second)]
            bar = bars[symbol] = [second, price, price, price, price, 0.0, 0.0, 0]
        bar[2] = max(bar[2], price)
        bar[3] = min(bar[3], price)
        bar[4] = price
        bar[5] += quantity
        bar[6] += price * quantity
        bar[7] += 1
    for symbol, bar in bars.items():
        result += [(symbol, *row) for row in series[symbol].close(bar, int(bar[0]) + 1)]
    return result


class _Series:
    """The returns of one symbol."""

    def __init__(self) -> None:
        self._close: float | None = None
        self._is_first = True
        self._windows = {name: deque(maxlen=length) for name, length in VOLATILITY_S.items()}
        self._before: deque[float | None] = deque(maxlen=SCORE_S)
        self._ewma = [0.0, 0.0]

    def close(self, bar: list[float], until: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a bar and of the seconds without a trade after it."""
        second, *prices, volume, notional, trades = bar
        yield (second, *prices, volume, notional, trades, *self._features(prices[3]))
        for quiet in range(int(second) + 1, until):
            held = prices[3] if quiet - second <= FILL_S else None
            yield (quiet, held, held, held, held, 0.0, 0.0, 0, *self._features(held))

    def _features(self, close: float | None) -> Iterator[float | None]:
        r = None
        if close is not None and self._close is not None:
            r = math.log(close / self._close)
        self._close = close
        first, self._is_first = self._is_first, False
        for window in self._windows.values():
            if not first:  # which has no return
                window.append(r)
            squares = [x * x for x in window if x is not None]
            full = len(window) == window.maxlen and len(squares) >= len(window) / 2
            yield math.sqrt(statistics.fmean(squares) * PER_YEAR) if full else None
        self._ewma = [part * _DECAY for part in self._ewma]
        if r is not None:
            self._ewma = [self._ewma[0] + r * r, self._ewma[1] + 1.0]
        yield math.sqrt(self._ewma[0] / self._ewma[1] * PER_YEAR) if self._ewma[1] > 0 else None
        yield self._score(r)
        if not first:
            self._before.append(r)

    def _score(self, r: float | None) -> float | None:
        known = [x for x in self._before if x is not None]
        if r is None or len(self._before) < SCORE_S or len(known) < SCORE_S / 2:
            return None
        return abs(r - statistics.mean(known)) / statistics.stdev(known)
