"""The compiled loop of stretching: bars in, samples of coarser grids out. State is plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, int32, int64, uint8, void

from pipeline.compiled import compiled, inlined
from pipeline.marks import NEVER
from pipeline.signatures import given, together

# Per symbol: when a trade last told its price, how many bars there were (counted no further than
# the ring is long), the newest place in the ring, how many bars in it have trades, the level.
TOLD_US, SEEN, NEWEST, TRADED, LEVEL = range(5)

#: Symbol, end, close, complete, trades.
_ROWS = together(given(int32), given(int64), float64[::1], given(boolean), given(int64))
#: Grid step, how long a price holds; level by level the share of bars with trades from which it is
#: coarse enough, and the one from which it is so by a factor of two.
_SETTINGS = together(int64, int64, float64[::1], float64[::1])
#: The marks above; the price; whether each of the newest bars had trades, a ring; level by level,
#: whether all bars of the sample under way are complete.
_STATE = together(int64[:, ::1], float64[::1], uint8[:, ::1], boolean[:, ::1])
#: Row by row the level; level by level how many samples ended, in which rows, their closes, and
#: whether they are complete.
_OUT = together(int64[::1], int64[::1], int64[:, ::1], float64[:, ::1], boolean[:, ::1])


@inlined
def _count(s: Any, traded: Any, state: Any) -> None:
    """Put a bar on the ring."""
    marks, ring = state[0], state[2]
    at = (marks[s, NEWEST] + 1) % ring.shape[1]
    marks[s, TRADED] += np.int64(traded) - np.int64(ring[s, at])
    marks[s, SEEN] = min(marks[s, SEEN] + 1, ring.shape[1])
    marks[s, NEWEST] = at
    ring[s, at] = traded


@inlined
def _choose(s: Any, settings: Any, state: Any) -> None:
    """Go to a coarser level when the present one is too fine, to a finer one with room to spare."""
    enough, plenty, marks, ring = settings[2], settings[3], state[0], state[2]
    seen, traded = marks[s, SEEN], marks[s, TRADED]
    least = 0
    while traded < enough[least] * seen:
        least += 1
    spare = 0
    while traded < plenty[spare] * seen:
        spare += 1
    if least > marks[s, LEVEL] or seen < ring.shape[1]:
        marks[s, LEVEL] = least
    elif spare < marks[s, LEVEL]:
        marks[s, LEVEL] = spare


@compiled(void(_ROWS, _SETTINGS, _STATE, _OUT))
def coarsen(rows: Any, settings: Any, state: Any, out: Any) -> None:
    """Advance by bars, in time order for each symbol.

    The sample of level j ends with the bar whose end is a multiple of 2^j steps. Level 0, whose
    samples are the bars, is not written.
    """
    index, end_us, close, complete, trades = rows
    every_us, fill_us = settings[0], settings[1]
    marks, price, _, whole = state
    level, counts, ends, closes, completes = out
    for row in range(len(index)):
        s = index[row]
        # Where trades are not counted, a price tells that there were some.
        traded = trades[row] > 0 or (trades[row] < 0 and not np.isnan(close[row]))
        if traded:
            marks[s, TOLD_US], price[s] = end_us[row], close[row]
        _count(s, traded, state)
        _choose(s, settings, state)
        level[row] = marks[s, LEVEL]
        for j in range(1, len(counts)):
            whole[s, j] &= complete[row]
            if end_us[row] % (every_us << j) != 0:
                continue
            told_us, at = marks[s, TOLD_US], counts[j]
            holds = told_us != NEVER and end_us[row] - told_us <= fill_us << j
            ends[j, at] = row
            closes[j, at] = price[s] if holds else np.nan
            completes[j, at] = whole[s, j]
            whole[s, j] = True
            counts[j] += 1
