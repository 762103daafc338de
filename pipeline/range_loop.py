"""The compiled loop of minute ranges: grid rows in, mean variances out. State is plain arrays.

A window's sums never overflow. Only rows with 0 < low <= open, close <= high are counted, so the
logs of a minute lie within its range R = ln(high / low) <= MAX_RETURN, which is 2^60 units. The
terms R^2 and ln(close / open)^2 are then at most 2^120, and so is the third: with a = ln(high /
close) and b = ln(high / open) it is a b + (R - a)(R - b), which is largest, R^2, at a = b = 0 and
a = b = R. No term is negative. 128 bits would hold 255 of the largest: a third limb holds the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline import wide
from pipeline.compiled import compiled
from pipeline.marks import NEVER
from pipeline.window_tapes import MAX_RETURN, UNIT
from pipeline.windows import ENOUGH

_LN2 = np.log(2.0)

# Per symbol: the number of the open minute, the closed ones held (at most the ring), and the open
# minute's open, high, low, close, NaN for none.
_OPEN = "Tuple((int64[::1], int64[::1], float64[:,::1]))"
# The closed minutes at `minute % length of the ring`: three terms of (high, low) limbs, and whether
# there was a price; a minute without one has zeros.
_RING = "Tuple((uint64[:,:,:,::1], boolean[:,::1]))"
# Per window: its length, the sums of the terms as (top, high, low) limbs, the minutes with a price,
# and the three mean variances.
_SUMS = "Tuple((int64[::1], uint64[:,:,:,::1], int64[:,::1], float64[:,:,::1]))"


@compiled("uint64(float64, float64)")
def _log_ratio(price: Any, other: Any) -> Any:
    """Return the size of the log of a ratio of prices, in units of 2^-58."""
    return np.uint64(np.rint(abs(np.log1p((price - other) / other)) / UNIT))


@compiled(f"void(int32, int64, {_OPEN}, {_RING})")
def _measure(s: Any, at: Any, opened: Any, ring: Any) -> None:
    """Put the open minute into the ring and leave no open one."""
    terms, priced = ring
    prices = opened[2][s]
    first, high, low, last = prices
    terms[s, at] = 0
    priced[s, at] = False
    # False as well for NaN and infinity.
    if np.log1p((high - low) / low) <= MAX_RETURN:
        priced[s, at] = True
        size = _log_ratio(high, low)
        terms[s, at, 0, 0], terms[s, at, 0, 1] = wide.multiply(size, size)
        size = _log_ratio(last, first)
        terms[s, at, 1, 0], terms[s, at, 1, 1] = wide.multiply(size, size)
        # Both factors of a product have the same sign: sizes are enough.
        above, more = wide.multiply(_log_ratio(high, last), _log_ratio(high, first))
        below, less = wide.multiply(_log_ratio(low, last), _log_ratio(low, first))
        terms[s, at, 2, 0], terms[s, at, 2, 1] = wide.add(above, more, below, less)
    prices[:] = np.nan


@compiled(f"void(int32, int64, int64, int64, {_RING}, {_SUMS})")
def _count(s: Any, w: Any, at: Any, sign: Any, ring: Any, windows: Any) -> None:
    """Add (sign 1) one minute of the ring to a window, or take it out (sign -1)."""
    terms, priced = ring
    _, sums, samples, _ = windows
    for kind in range(3):
        total, term = sums[s, w, kind], terms[s, at, kind]
        top = np.int64(total[0])
        if sign > 0:
            top, high, low = wide.add3(top, total[1], total[2], term[0], term[1])
        else:
            top, high, low = wide.subtract3(top, total[1], total[2], term[0], term[1])
        total[0], total[1], total[2] = np.uint64(top), high, low
    samples[s, w] += sign * np.int64(priced[s, at])


@compiled("float64(uint64[::1])")
def _as_variance(total: Any) -> Any:
    """Return a sum of terms as a float."""
    return wide.as_float3(np.int64(total[0]), total[1], total[2]) * UNIT * UNIT


@compiled(f"void(int32, int64, {_SUMS})")
def _conclude(s: Any, held: Any, windows: Any) -> None:
    """Compute the mean variances of every window from its sums."""
    length, sums, samples, means = windows
    for w in range(len(length)):
        count = samples[s, w]
        if held < length[w] or count < ENOUGH * length[w]:
            means[s, w] = np.nan
            continue
        high_low = _as_variance(sums[s, w, 0])
        open_close = _as_variance(sums[s, w, 1])
        means[s, w, 0] = high_low / (4.0 * _LN2) / count
        means[s, w, 1] = (0.5 * high_low - (2.0 * _LN2 - 1.0) * open_close) / count
        means[s, w, 2] = _as_variance(sums[s, w, 2]) / count


@compiled(f"void(int32, {_OPEN}, {_RING}, {_SUMS})")
def _close(s: Any, opened: Any, ring: Any, windows: Any) -> None:
    """Close the open minute; the next one opens without a price."""
    minute, held, _ = opened
    length, reach = windows[0], ring[1].shape[1]
    now = minute[s]
    # First what leaves, as that of the longest window lies where the closing minute goes. Of a
    # window that is not full it is a slot not yet used: zeros.
    for w in range(len(length)):
        _count(s, w, (now - length[w]) % reach, np.int64(-1), ring, windows)
    _measure(s, now % reach, opened, ring)
    for w in range(len(length)):
        _count(s, w, now % reach, np.int64(1), ring, windows)
    minute[s] = now + 1
    held[s] = min(held[s] + 1, reach)


@compiled(f"void(int32, {_OPEN}, {_RING}, {_SUMS})")
def refill(s: Any, opened: Any, ring: Any, windows: Any) -> None:
    """Compute the sums of a symbol, which are zero, from its ring."""
    minute, held, _ = opened
    length, reach = windows[0], ring[1].shape[1]
    for w in range(len(length)):
        for age in range(1, length[w] + 1):
            _count(s, w, (minute[s] - age) % reach, np.int64(1), ring, windows)
    _conclude(s, held[s], windows)


@compiled(
    "void(int64, Tuple((int32[::1], int64[::1], int64[::1], float64[:,:])),"
    f" {_OPEN}, {_RING}, {_SUMS}, float64[:,:,::1])"
)
def advance(step_us: Any, rows: Any, opened: Any, ring: Any, windows: Any, out: Any) -> None:
    """Apply every row; write the mean variances after it to out[estimator, window, row]."""
    symbol_index, end_us, open_us, prices = rows
    minute, held, open_prices = opened
    means, reach = windows[3], ring[1].shape[1]
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        if minute[s] == NEVER:
            minute[s] = open_us[row] // step_us
        if open_us[row] >= (minute[s] + 1) * step_us:
            now = open_us[row] // step_us
            # The open minute, and as many without a price as it takes to empty the ring.
            for _ in range(min(now - minute[s], reach + 1)):
                _close(s, opened, ring, windows)
            minute[s] = now
            _conclude(s, held[s], windows)
        first, high, low, last = prices[0, row], prices[1, row], prices[2, row], prices[3, row]
        sound = 0.0 < low <= first <= high and low <= last <= high
        if sound and open_us[row] >= minute[s] * step_us:
            if np.isnan(open_prices[s, 0]):
                open_prices[s, 0], open_prices[s, 1], open_prices[s, 2] = first, high, low
            open_prices[s, 1] = max(open_prices[s, 1], high)
            open_prices[s, 2] = min(open_prices[s, 2], low)
            open_prices[s, 3] = last
        if end_us[row] >= (minute[s] + 1) * step_us:
            _close(s, opened, ring, windows)
            _conclude(s, held[s], windows)
        for w in range(means.shape[1]):
            for estimator in range(3):
                out[estimator, w, row] = means[s, w, estimator]
