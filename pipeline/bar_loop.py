"""The compiled loops of bars: trades and clocks in, closed bars out. State is plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from pipeline import wide

#: Quantities and prices are whole multiples of 1e-8, as on every venue we read.
_SCALE = 1e8
_RESOLUTION = 1e-8

NEVER = np.iinfo(np.int64).min
ONWARD = np.iinfo(np.int64).max

# Per symbol: the next step to publish, the newest event time, the newest published step with a
# trade, the step of the newest trade, and the steps whose bars miss lost trades (both inclusive).
NEXT, NEWEST_US, TRADED, LAST_STEP, BROKEN_FROM, BROKEN_UNTIL = range(6)

_STATE = "Tuple((int64[:,::1], float64[::1], float64[:,:,::1], int64[:,:,::1], uint64[:,:,::1]))"
_OUT = "Tuple((int32[::1], int64[::1], float64[:,::1], int64[:,::1], float64[:,::1]))"


@njit(f"void(int64, int64, int64, float64, float64, {_STATE})", cache=True, nogil=True)
def _merge(s: Any, step: Any, trade_id: Any, price: Any, quantity: Any, state: Any) -> None:  # noqa: ANN401 - compiled: the signature has the types
    """Add one trade to its open bar."""
    _, _, prices, ids, sums = state
    slot = step % prices.shape[1]
    if ids[s, slot, 0] == 0:
        prices[s, slot, :] = price
        ids[s, slot, 1] = trade_id
        sums[s, slot, :] = 0
    prices[s, slot, 1] = max(prices[s, slot, 1], price)
    prices[s, slot, 2] = min(prices[s, slot, 2], price)
    prices[s, slot, 3] = price
    ids[s, slot, 0] += 1
    ids[s, slot, 2] = trade_id
    size = np.uint64(np.rint(quantity / _RESOLUTION))
    high, low = wide.add(sums[s, slot, 0], sums[s, slot, 1], np.uint64(0), size)
    sums[s, slot, 0], sums[s, slot, 1] = high, low
    high, low = wide.multiply(np.uint64(np.rint(price / _RESOLUTION)), size)
    high, low = wide.add(sums[s, slot, 2], sums[s, slot, 3], high, low)
    sums[s, slot, 2], sums[s, slot, 3] = high, low


@njit("void(int64, int64, int64[:,::1])", cache=True, nogil=True)
def _break(s: Any, step: Any, marks: Any) -> None:  # noqa: ANN401 - as above
    """Mark the bars from the trade before a loss to the one after it, `step`, as incomplete."""
    since = marks[s, LAST_STEP] if marks[s, LAST_STEP] != NEVER else marks[s, NEXT]
    if marks[s, BROKEN_UNTIL] < marks[s, NEXT]:  # all of the last loss is published
        marks[s, BROKEN_FROM] = since
    if marks[s, BROKEN_UNTIL] == ONWARD:
        marks[s, BROKEN_UNTIL] = step
    else:
        marks[s, BROKEN_UNTIL] = max(marks[s, BROKEN_UNTIL], step)


@njit(
    f"int64(int64, int64, int64[::1], {_STATE}, {_OUT}, int64)",
    cache=True,
    nogil=True,
)
def _close_until(s: Any, until: Any, limits: Any, state: Any, out: Any, written: Any) -> Any:  # noqa: ANN401 - as above
    """Publish the bars of steps before `until`; return how many are written in all."""
    marks, close, prices, ids, sums = state
    index, step_out, prices_out, ids_out, amounts_out = out
    slots = prices.shape[1]
    start = marks[s, NEXT]
    step = start
    while step < until:
        slot = step % slots
        traded = ids[s, slot, 0] > 0
        quiet = step - marks[s, TRADED] if marks[s, TRADED] != NEVER else limits[3] + 1
        if traded:
            prices_out[written] = prices[s, slot]
            ids_out[written, :3] = ids[s, slot]
            amounts_out[written, 0] = wide.as_float(sums[s, slot, 0], sums[s, slot, 1]) / _SCALE
            notional = wide.as_float(sums[s, slot, 2], sums[s, slot, 3])
            amounts_out[written, 1] = notional / _SCALE / _SCALE
            close[s] = prices[s, slot, 3]
            ids[s, slot, 0] = 0
            marks[s, TRADED] = step
        elif quiet <= limits[3]:
            prices_out[written] = close[s] if quiet <= limits[2] else np.nan
            ids_out[written, :3] = 0
            amounts_out[written] = 0.0
        elif step < start + slots:
            step += 1
            continue
        else:
            step = until
            break
        index[written] = s
        step_out[written] = step
        broken = marks[s, BROKEN_FROM] <= step <= marks[s, BROKEN_UNTIL]
        ids_out[written, 3] = 0 if broken else 1
        written += 1
        step += 1
    marks[s, NEXT] = max(start, step)
    return written


@njit(
    "int64(Tuple((int32[::1], int64[::1], int64[::1], float64[::1], float64[::1], boolean[::1])),"
    f" int64[::1], int64[::1], {_STATE}, {_OUT}, int64[::1])",
    cache=True,
    nogil=True,
)
def build(trades: Any, clock_us: Any, limits: Any, state: Any, out: Any, late: Any) -> Any:  # noqa: ANN401 - as above
    """Apply every trade, then every clock; return how many bars were written."""
    symbol_index, event_us, trade_id, price, quantity, after_loss = trades
    marks = state[0]
    every, lateness = limits[0], limits[1]
    written = 0
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        step = event_us[row] // every
        if marks[s, NEXT] == NEVER:
            marks[s, NEXT] = step
        if after_loss[row]:
            _break(s, step, marks)
        if event_us[row] > marks[s, NEWEST_US]:
            marks[s, NEWEST_US] = event_us[row]
            until = (event_us[row] - lateness) // every
            written = _close_until(s, until, limits, state, out, written)
        if step < marks[s, NEXT]:
            late[s] += 1
        else:
            _merge(s, step, trade_id[row], price[row], quantity[row], state)
            marks[s, LAST_STEP] = step
    for s in range(len(marks)):
        if clock_us[s] > marks[s, NEWEST_US] and marks[s, NEXT] != NEVER:
            marks[s, NEWEST_US] = clock_us[s]
            until = (clock_us[s] - lateness) // every
            written = _close_until(s, until, limits, state, out, written)
    return written
