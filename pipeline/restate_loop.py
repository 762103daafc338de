"""The compiled loops that publish bars again, with trades that had been missing."""

from __future__ import annotations

from typing import Any

from numba import float64, from_dtype, int64, void

from pipeline.bar_loop import begin, merge, publish
from pipeline.bar_records import BAR, LIMITS, OPEN_BAR, SYMBOL
from pipeline.compiled import compiled
from pipeline.signatures import given

_BAR, _LIMITS = from_dtype(BAR), from_dtype(LIMITS)
_OPEN_BAR, _SYMBOL = from_dtype(OPEN_BAR), from_dtype(SYMBOL)


@compiled(void(_OPEN_BAR, int64, float64, float64))
def insert(bar: Any, trade_id: Any, price: Any, quantity: Any) -> None:
    """Add a trade to a bar at the place of its id: the same bar as if it had come in its turn."""
    if bar.trades == 0:
        begin(bar, trade_id, price)
    if bar.trades == 0 or trade_id > bar.last_id:
        merge(bar, trade_id, price, quantity)
        return
    open_price, first_id = bar.open, bar.first_id
    close_price, last_id = bar.close, bar.last_id
    merge(bar, trade_id, price, quantity)
    bar.close, bar.last_id = close_price, last_id
    if trade_id > first_id:
        bar.open, bar.first_id = open_price, first_id
    else:
        bar.open, bar.first_id = price, trade_id


@compiled(
    void(_OPEN_BAR[::1], given(int64), given(int64), given(float64), given(float64)),
)
def insert_all(bars: Any, at: Any, trade_id: Any, price: Any, quantity: Any) -> None:
    """Add each trade to its bar, the one at position `at`."""
    for row in range(len(at)):
        insert(bars[at[row]], trade_id[row], price[row], quantity[row])


@compiled(int64(_SYMBOL, _OPEN_BAR[::1], given(int64), int64, _LIMITS, _BAR[::1]))
def publish_again(
    symbol: Any,
    bars: Any,
    steps: Any,
    until: Any,
    limits: Any,
    out: Any,
) -> Any:
    """Publish every step up to `until`, exclusive; return how many bars are written.

    Args:
        symbol: SYMBOL as it stood before the first of them; moved on.
        bars: OPEN_BAR with trades, and one more without any at the end.
        steps: Those of the bars with trades, ascending.
        until: As above.
        limits: LIMITS.
        out: BAR, with room for all.
    """
    none = bars[len(steps)]
    written = 0
    for at in range(len(steps)):
        while symbol.next_step < steps[at]:
            written += publish(symbol, none, steps[at], limits, out[written])
        written += publish(symbol, bars[at], steps[at] + 1, limits, out[written])
    while symbol.next_step < until:
        written += publish(symbol, none, until, limits, out[written])
    return written
