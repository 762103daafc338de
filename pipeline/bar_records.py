"""The records that the compiled loops of bars work on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, from_dtype, int32, int64, void

from pipeline.compiled import compiled

LIMITS = np.dtype(
    [
        ("every_us", np.int64),  # the grid
        ("lateness_us", np.int64),
        ("forward_fill_steps", np.int64),
        ("silence_steps", np.int64),
    ]
)

#: What is known of a symbol. A step is a time divided by the length of the grid's steps.
SYMBOL = np.dtype(
    [
        ("next_step", np.int64),  # to publish; NEVER before the first row
        ("traded_step", np.int64),  # the newest published one with a trade
        ("last_step", np.int64),  # that of the newest trade
        ("broken_from", np.int64),  # bars from here miss lost trades
        ("broken_until", np.int64),  # inclusive
        ("lost_from", np.int64),  # bars from here may miss trades after the newest; else ONWARD
        ("close", np.float64),  # the newest published one of a trade, NaN without one
        # What follows from the above and from the open bars, so that a trade costs no division.
        ("open_bars", np.int64),
        ("closes_us", np.int64),  # event time from which the next step is published
        ("from_us", np.int64),  # the open bar of the newest trade takes trades from here
        ("until_us", np.int64),  # exclusive
        ("slot", np.int64),
    ]
)

#: An open bar, in slot `step % slots` of its symbol. Sums are 128 bits in two limbs.
OPEN_BAR = np.dtype(
    [
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
        ("trades", np.int64),  # 0: the slot is free
        ("first_id", np.int64),
        ("last_id", np.int64),
        ("volume_high", np.uint64),
        ("volume_low", np.uint64),
        ("notional_high", np.uint64),
        ("notional_low", np.uint64),
    ]
)

#: A bar as it is published.
BAR = np.dtype(
    [
        ("symbol_index", np.int64),
        ("open_us", np.int64),
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
        ("volume", np.float64),
        ("notional", np.float64),
        ("trades", np.int64),
        ("first_id", np.int64),
        ("last_id", np.int64),
        ("complete", np.int64),
        # The sums before they are rounded, so that a trade that was missing can join them.
        ("volume_high", np.uint64),
        ("volume_low", np.uint64),
        ("notional_high", np.uint64),
        ("notional_low", np.uint64),
    ]
)


@compiled(
    void(
        from_dtype(BAR)[::1],
        int64,
        int32[::1],
        int64[:, ::1],
        float64[:, ::1],
        boolean[::1],
    )
)
def spread(
    bars: Any,  # noqa: ANN401 - compiled: the signature has the types
    at: Any,  # noqa: ANN401
    index: Any,  # noqa: ANN401
    integers: Any,  # noqa: ANN401
    floats: Any,  # noqa: ANN401
    complete: Any,  # noqa: ANN401
) -> None:
    """Write the columns of bars into arrays.

    Args:
        bars: BAR.
        at: Where in the arrays the first goes.
        index: Out: the symbols.
        integers: Out: open times, trades, first and last ids.
        floats: Out: open, high, low, close, volume, notional.
        complete: Out.
    """
    for bar in bars:
        index[at] = bar.symbol_index
        integers[0, at], integers[1, at] = bar.open_us, bar.trades
        integers[2, at], integers[3, at] = bar.first_id, bar.last_id
        floats[0, at], floats[1, at] = bar.open, bar.high
        floats[2, at], floats[3, at] = bar.low, bar.close
        floats[4, at], floats[5, at] = bar.volume, bar.notional
        complete[at] = bar.complete == 1
        at += 1
