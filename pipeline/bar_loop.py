"""The compiled loops of bars: rows and clocks in, closed bars out. State is plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, from_dtype, int32, int64, void

from pipeline import wide
from pipeline.bar_records import BAR, LIMITS, OPEN_BAR, SYMBOL
from pipeline.compiled import compiled
from pipeline.marks import ENDED, NEVER, NONE, ONWARD
from pipeline.signatures import given, together

#: Quantities and prices are whole multiples of 1e-8, as on every venue we read.
SCALE = 1e8

_BAR, _LIMITS = from_dtype(BAR), from_dtype(LIMITS)
_OPEN_BAR, _SYMBOL = from_dtype(OPEN_BAR), from_dtype(SYMBOL)


@compiled(void(_OPEN_BAR, int64, float64))
def begin(bar: Any, trade_id: Any, price: Any) -> None:
    """Open a bar for its first trade, which is still to be merged."""
    bar.open = bar.high = bar.low = price
    bar.first_id = trade_id
    bar.volume_high = bar.volume_low = bar.notional_high = bar.notional_low = np.uint64(0)


@compiled(void(_OPEN_BAR, int64, float64, float64))
def merge(bar: Any, trade_id: Any, price: Any, quantity: Any) -> None:
    """Add one trade to its open bar."""
    bar.high = max(bar.high, price)
    bar.low = min(bar.low, price)
    bar.close = price
    bar.trades += 1
    bar.last_id = trade_id
    size = np.uint64(np.rint(quantity * SCALE))
    bar.volume_high, bar.volume_low = wide.add(bar.volume_high, bar.volume_low, np.uint64(0), size)
    high, low = wide.multiply(np.uint64(np.rint(price * SCALE)), size)
    bar.notional_high, bar.notional_low = wide.add(bar.notional_high, bar.notional_low, high, low)


@compiled(int64(_SYMBOL))
def _since(symbol: Any) -> Any:
    """Return the first step in which a trade after the newest one can be."""
    return symbol.next_step if symbol.last_step == NEVER else symbol.last_step


@compiled(void(_SYMBOL, int64))
def _break(symbol: Any, step: Any) -> None:
    """Mark the bars between the trade before a loss and the one after it, `step`, as incomplete.

    With a loss that is not all published the two are one: what lies between them is incomplete too.
    """
    first, last = min(_since(symbol), step), max(_since(symbol), step)
    if symbol.broken_until >= symbol.next_step:
        first, last = min(first, symbol.broken_from), max(last, symbol.broken_until)
    symbol.broken_from, symbol.broken_until = first, last
    symbol.lost_from = ONWARD


@compiled(void(_SYMBOL, int64, _LIMITS))
def go_on(symbol: Any, step: Any, limits: Any) -> None:
    """Take `step` for the next to publish."""
    symbol.next_step = step
    symbol.closes_us = (step + 1) * limits.every_us + limits.lateness_us
    symbol.from_us = symbol.until_us = NEVER


@compiled(int64(int64, int64, int64))
def _step_of(time: Any, near: Any, every: Any) -> Any:
    """Return `time // every`, without a division where that is `near` or the step after it."""
    ahead = time - near * every
    if 0 <= ahead < every:
        return near
    if every <= ahead < 2 * every:
        return near + 1
    return time // every


@compiled(int64(_SYMBOL, _OPEN_BAR, int64, _LIMITS, _BAR))
def publish(symbol: Any, bar: Any, until: Any, limits: Any, out: Any) -> Any:
    """Publish the next step, or go on to `until` if nothing is to be told before.

    Args:
        symbol: SYMBOL, moved on.
        bar: The OPEN_BAR of the next step; becomes free.
        until: A step after the next, exclusive.
        limits: LIMITS.
        out: BAR, written but for its symbol.

    Returns:
        1 if there is a bar of the next step, else 0.
    """
    step = symbol.next_step
    silent = symbol.traded_step == NEVER or step - symbol.traded_step > limits.silence_steps
    if bar.trades > 0:
        out.open, out.high, out.low, out.close = bar.open, bar.high, bar.low, bar.close
        out.volume = wide.as_float(bar.volume_high, bar.volume_low) / SCALE
        out.notional = wide.as_float(bar.notional_high, bar.notional_low) / SCALE / SCALE
        out.trades, out.first_id, out.last_id = bar.trades, bar.first_id, bar.last_id
        out.volume_high, out.volume_low = bar.volume_high, bar.volume_low
        out.notional_high, out.notional_low = bar.notional_high, bar.notional_low
        symbol.close = bar.close
        symbol.traded_step = step
        symbol.open_bars -= 1
        bar.trades = 0
    elif silent:
        go_on(symbol, step + 1 if symbol.open_bars > 0 else until, limits)
        return 0
    else:
        holds = step - symbol.traded_step <= limits.forward_fill_steps
        out.open = out.high = out.low = out.close = symbol.close if holds else np.nan
        out.volume = out.notional = 0.0
        out.trades = 0
        out.first_id = out.last_id = NONE
    out.open_us = step * limits.every_us
    broken = symbol.broken_from <= step <= symbol.broken_until or symbol.lost_from <= step
    out.complete = 0 if broken else 1
    go_on(symbol, step + 1, limits)
    return 1


#: SYMBOL and OPEN_BAR of the shard, and how many rows of each symbol were late.
_STATE = together(_SYMBOL[::1], _OPEN_BAR[:, ::1], int64[::1])
_TRADES = together(
    given(int32),  # symbol_index
    given(int64),  # event_us
    given(int64),  # trade_id
    given(float64),  # price
    given(float64),  # quantity
    given(boolean),  # after_loss
    boolean[::1],  # out: is it late
)


@compiled(int64(_TRADES, _LIMITS, _STATE, _BAR[::1], int64, int64[::1]))
def take_trades(
    trades: Any,
    limits: Any,
    state: Any,
    out: Any,
    written: Any,
    cursor: Any,
) -> Any:
    """Apply trades in the order they come in; return how many bars are written in all.

    It stops where the room ends; `cursor` has the row to go on with.
    """
    symbol_index, event_us, trade_id, price, quantity, after_loss, is_late = trades
    symbols, open_bars, late = state
    every_us, last_slot = limits.every_us, open_bars.shape[1] - 1
    # Unsigned: a place is never one from the end of an array, which would cost a trade a tenth.
    for row in range(np.uint64(cursor[0]), np.uint64(len(symbol_index))):
        s = np.uint64(symbol_index[row])
        symbol = symbols[s]
        time = event_us[row]
        if after_loss[row] or not symbol.from_us <= time < symbol.until_us:
            if symbol.next_step == NEVER:
                go_on(symbol, time // every_us, limits)
            step = _step_of(time, symbol.next_step, every_us)
            if after_loss[row]:
                _break(symbol, step)
            if time >= symbol.closes_us:
                until = _step_of(time - limits.lateness_us, symbol.next_step, every_us)
                while symbol.next_step < until:
                    if written == len(out):
                        cursor[0] = np.int64(row)
                        return written
                    bar = open_bars[s, np.uint64(symbol.next_step & last_slot)]
                    out[written].symbol_index = np.int64(s)
                    written += publish(symbol, bar, until, limits, out[written])
            if step < symbol.next_step:
                late[s] += 1
                is_late[row] = True
                continue
            symbol.last_step = step
            symbol.from_us = step * every_us
            symbol.until_us = min(symbol.from_us + every_us, symbol.closes_us)
            symbol.slot = step & last_slot
            bar = open_bars[s, np.uint64(symbol.slot)]
            if bar.trades == 0:
                symbol.open_bars += 1
                begin(bar, trade_id[row], price[row])
        bar = open_bars[s, np.uint64(symbol.slot)]
        merge(bar, trade_id[row], price[row], quantity[row])
    cursor[0] = len(symbol_index)
    return written


@compiled(
    int64(together(given(int64), given(boolean)), _LIMITS, _STATE, _BAR[::1], int64, int64[::1])
)
def take_clocks(
    clocks: Any,
    limits: Any,
    state: Any,
    out: Any,
    written: Any,
    cursor: Any,
) -> Any:
    """Close what the clock of each symbol has passed; return how many bars are written in all.

    It stops where the room ends; `cursor` has the symbol to go on with.
    """
    clock_us, lost = clocks
    symbols, open_bars, _ = state
    last_slot = open_bars.shape[1] - 1
    for s in range(cursor[0], len(symbols)):
        symbol = symbols[s]
        until = symbol.next_step
        if lost[s] and symbol.lost_from == ONWARD:
            symbol.lost_from = _since(symbol)
        if clock_us[s] == ENDED:
            for step in range(symbol.next_step, symbol.next_step + last_slot + 1):
                if open_bars[s, step & last_slot].trades > 0:
                    until = step + 1
        elif clock_us[s] >= symbol.closes_us:
            until = (clock_us[s] - limits.lateness_us) // limits.every_us
        while symbol.next_step < until:
            if written == len(out):
                cursor[0] = s
                return written
            bar = open_bars[s, symbol.next_step & last_slot]
            out[written].symbol_index = s
            written += publish(symbol, bar, until, limits, out[written])
    cursor[0] = len(symbols)
    return written


_BARS = together(
    given(int32),  # symbol_index
    given(int64),  # open_us
    together(*[given(float64)] * 6),  # open high low close volume notional
    together(*[given(int64)] * 3),  # trades first_id last_id
    given(boolean),  # complete
)


@compiled(int64(_BARS, _LIMITS, _STATE, _BAR[::1], int64, int64[::1]))
def take_bars(
    bars: Any,
    limits: Any,
    state: Any,
    out: Any,
    written: Any,
    cursor: Any,
) -> Any:
    """Publish bars that others made and the steps between; return how many are written in all.

    It stops where the room ends; `cursor` has the row to go on with.
    """
    symbol_index, open_us, (opens, highs, lows, closes, volumes, notionals), ids, complete = bars
    symbols, open_bars, late = state
    for row in range(cursor[0], len(symbol_index)):
        s = symbol_index[row]
        symbol = symbols[s]
        step = open_us[row] // limits.every_us
        if symbol.next_step == NEVER:
            go_on(symbol, step, limits)
        if step < symbol.next_step:
            late[s] += 1
        while symbol.next_step <= step:
            if written == len(out):
                cursor[0] = row
                return written
            here = symbol.next_step == step
            traded = here and volumes[row] > 0.0
            if traded:
                symbol.traded_step, symbol.close = step, closes[row]
            bar = out[written]
            bar.symbol_index = s
            # Nothing is open of a symbol that is fed with bars: any of its slots is free.
            written += publish(symbol, open_bars[s, 0], step + 1 if here else step, limits, bar)
            if traded:
                bar.open, bar.high, bar.low = opens[row], highs[row], lows[row]
                bar.volume, bar.notional = volumes[row], notionals[row]
                bar.trades, bar.first_id, bar.last_id = ids[0][row], ids[1][row], ids[2][row]
            if here and not complete[row]:
                bar.complete = 0
    cursor[0] = len(symbol_index)
    return written
