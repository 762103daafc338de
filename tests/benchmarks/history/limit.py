"""The practical limit of the history job: one compiled pass with running float sums.

No frame, no ledger, no exactness: a window's sums are floats that are added to and taken from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from tests.benchmarks.history.market import Trades
from tests.benchmarks.history.rows import (
    AMOUNTS,
    FEATURES,
    FILL_S,
    HALF_LIFE_S,
    PER_YEAR,
    PRICES,
    SCORE_S,
    VOLATILITY_S,
    Rows,
)

_RING = 4096  # a power of two above the longest window
_WINDOWS = np.array([*VOLATILITY_S.values(), SCORE_S])  # the score's is the last
_DECAY = 2.0 ** (-1.0 / HALF_LIFE_S)


def prepare(trades: Trades) -> Callable[[], Any]:
    """Return the job over these trades."""
    count = len(trades.symbols)
    columns = (trades.symbol_index, trades.event_us, trades.price, trades.quantity)
    return lambda: _history(*columns, count, _WINDOWS)


def rows_of(result: Any, _: Trades) -> Rows:  # noqa: ANN401 - what `prepare` made
    """Return the result as rows."""
    symbol, second, bars, features = result
    values = dict(zip((*PRICES, *AMOUNTS), bars.T, strict=True))
    values |= dict(zip(FEATURES, features.T, strict=True))
    return Rows.of(symbol, second, values)


@njit(cache=True, error_model="numpy")
def _history(
    symbol_index: Any,  # noqa: ANN401 - compiled: the arguments have the types
    event_us: Any,  # noqa: ANN401
    price: Any,  # noqa: ANN401
    quantity: Any,  # noqa: ANN401
    symbols: int,
    windows: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Return symbols, seconds, bars and features, in the order in which bars close."""
    total = _bar_count(symbol_index, event_us, symbols)
    index, seconds = np.empty(total, np.int32), np.empty(total, np.int64)
    bars, features = np.empty((total, 7)), np.empty((total, 5))
    second = np.zeros(symbols, np.int64)  # of the open bar
    open_bar = np.zeros((symbols, 7))
    close = np.full(symbols, np.nan)  # the one before
    seen = np.zeros(symbols, np.int64)  # bars so far
    returns = np.full((symbols, _RING), np.nan)
    sums = np.zeros((symbols, len(windows), 3))  # known returns, their sum, that of their squares
    ewma = np.zeros((symbols, 2))  # sum and weight
    written = 0
    rows = len(symbol_index)
    for row in range(rows + symbols):
        # After the last trade every symbol's open bar closes.
        s = symbol_index[row] if row < rows else np.int32(row - rows)
        now = event_us[row] // 1_000_000 if row < rows else second[s] + 1
        if now != second[s] and second[s] > 0:
            for at in range(second[s], now):
                index[written], seconds[written] = s, at
                _write_bar(open_bar, s, at - second[s], bars, written)
                price_now = bars[written, 3]
                r = np.log1p((price_now - close[s]) / close[s])  # NaN where either is
                close[s] = price_now
                _advance(s, r, seen[s], windows, returns, sums, ewma, features, written)
                seen[s] += 1
                written += 1
        if row < rows:
            if now != second[s]:
                second[s] = now
                open_bar[s, :4] = price[row]
                open_bar[s, 4:] = 0.0
            open_bar[s, 1] = max(open_bar[s, 1], price[row])
            open_bar[s, 2] = min(open_bar[s, 2], price[row])
            open_bar[s, 3] = price[row]
            open_bar[s, 4] += quantity[row]
            open_bar[s, 5] += quantity[row] * price[row]
            open_bar[s, 6] += 1.0
    return index, seconds, bars, features


@njit(cache=True)
def _bar_count(symbol_index: Any, event_us: Any, symbols: Any) -> Any:  # noqa: ANN401 - as above
    """Return how many seconds lie between each symbol's first and last trade, both counted."""
    first, last = np.zeros(symbols, np.int64), np.zeros(symbols, np.int64)
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        if first[s] == 0:
            first[s] = event_us[row]
        last[s] = event_us[row]
    total = 0
    for s in range(symbols):
        if first[s] > 0:
            total += last[s] // 1_000_000 - first[s] // 1_000_000 + 1
    return total


@njit(cache=True)
def _write_bar(open_bar: Any, s: Any, quiet_s: Any, bars: Any, written: Any) -> None:  # noqa: ANN401 - as above
    """Write the open bar, or a second without a trade so long after it."""
    for column in range(7):
        bars[written, column] = open_bar[s, column] if quiet_s == 0 else 0.0
    if quiet_s > 0:
        for column in range(4):
            bars[written, column] = open_bar[s, 3] if quiet_s <= FILL_S else np.nan


@njit(cache=True, error_model="numpy")
def _advance(  # noqa: PLR0917 - as above
    s: Any,  # noqa: ANN401 - as above
    r: Any,  # noqa: ANN401
    seen: Any,  # noqa: ANN401
    windows: Any,  # noqa: ANN401
    returns: Any,  # noqa: ANN401
    sums: Any,  # noqa: ANN401
    ewma: Any,  # noqa: ANN401
    features: Any,  # noqa: ANN401
    written: Any,  # noqa: ANN401
) -> None:
    """Advance the windows by one return; write its volatilities and its score."""
    last = len(windows) - 1
    n = sums[s, last, 0]
    features[written, 4] = np.nan
    if seen > SCORE_S and n >= SCORE_S / 2:
        mean = sums[s, last, 1] / n
        variance = (sums[s, last, 2] - sums[s, last, 1] * mean) / (n - 1.0)
        features[written, 4] = abs(r - mean) / np.sqrt(variance)
    ewma[s, 0] *= _DECAY
    ewma[s, 1] *= _DECAY
    known = not np.isnan(r)
    if known:
        ewma[s, 0] += r * r
        ewma[s, 1] += 1.0
    features[written, 3] = np.sqrt(ewma[s, 0] / ewma[s, 1] * PER_YEAR)
    for w in range(len(windows)):
        length = windows[w]
        if known:
            sums[s, w, 0] += 1.0
            sums[s, w, 1] += r
            sums[s, w, 2] += r * r
        old = returns[s, (seen - length) % _RING]
        if seen >= length and not np.isnan(old):
            sums[s, w, 0] -= 1.0
            sums[s, w, 1] -= old
            sums[s, w, 2] -= old * old
        if w < last:
            enough = seen >= length and sums[s, w, 0] >= length / 2
            mean_square = sums[s, w, 2] / sums[s, w, 0]
            features[written, w] = np.sqrt(mean_square * PER_YEAR) if enough else np.nan
    returns[s, seen % _RING] = r
