"""The compiled loop of windows: samples in, exact rolling sums out. State is plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.compiled import compiled, inlined
from pipeline.window_sums import enter, retell, roll, roll_timed, store
from pipeline.window_tapes import (
    DEVIATIONS,
    DURATION_US,
    FIRST_US,
    KIND,
    LAG,
    LEAD,
    LEADS,
    LEFT,
    LENGTH,
    MISSING,
    NEWEST_US,
    OF,
    PIECE,
    PRODUCTS,
    SEEN,
    SIGNED_PRODUCTS,
    SQUARES,
    START,
    TAPE,
    TRIMMED_RETURNS,
    VALUES,
    make_room,
    record,
    span_horizons,
    trim,
)

#: Weights of an EWMA below this, a thousand half-lives without a return, say nothing any more.
FAINTEST = 1e-290

_SETTINGS = (  # tapes, horizons on them, sums, windows, trims, half-lives, are times known, longest
    "Tuple((int64[:,::1], int64[:,::1], int64[:,::1], int64[:,:,::1], float64[:,::1],"
    " float64[::1], boolean, int64))"
)
_STATE = (  # tapes, fill of each, marks, close, horizon sums, sums, limbs, EWMA, what leads tell
    "Tuple((int64[:,::1], int64[:,::1], int64[:,::1], float64[::1], int64[:,:,::1],"
    " int64[:,:,::1], uint64[:,:,::1], float64[:,:,::1], float64[:,::1]))"
)
_ROWS = (  # symbol, order, time, close, complete, trades
    "Tuple((int32[::1], int64[::1], int64[::1], float64[::1], boolean[::1], int64[::1]))"
)
_OUT = (  # log return, sound samples, values of sums, terms of sums, EWMA
    "Tuple((float64[::1], int32[::1], float64[:,::1], int32[:,::1], float64[:,::1]))"
)


@inlined
def _decay(
    s: Any,
    first: Any,
    count: Any,
    rows: Any,
    settings: Any,
    state: Any,
    out: Any,
) -> None:
    """Advance the EWMAs: S = S d + r^2 and W = W d + dt with d = 2^(-dt / half-life)."""
    half_lives, timed = settings[5], settings[6]
    marks, ewma = state[2], state[7]
    order, time_us = rows[1], rows[2]
    for h in range(len(half_lives)):
        square, weight = ewma[s, h, 0], ewma[s, h, 1]
        newest_us = marks[s, NEWEST_US]
        step, decay = 1.0, np.exp2(-1.0 / half_lives[h])
        for j in range(count):
            row = order[first + j]
            if timed:
                step = (time_us[row] - newest_us) * 1e-6 if newest_us != MISSING else 0.0
                newest_us = time_us[row]
                decay = np.exp2(-step / half_lives[h])
            r = out[0][row]
            square *= decay
            weight *= decay
            if not np.isnan(r):
                square += r * r
                weight += step
            out[4][h, row] = square / weight if weight > FAINTEST else np.nan
        ewma[s, h, 0], ewma[s, h, 1] = square, weight
    if timed:
        marks[s, NEWEST_US] = time_us[order[first + count - 1]]


@inlined
def _advance_sum(
    s: Any,
    k: Any,
    at: Any,
    count: Any,
    rows: Any,
    settings: Any,
    state: Any,
    out: Any,
) -> None:
    """Advance one sum by the loop of its kind, and tell those that it leads."""
    kinds = settings[2]
    of = kinds[k, OF]
    if settings[3][s, k, DURATION_US] > 0 and of == DEVIATIONS:
        roll_timed(DEVIATIONS, s, k, at, count, rows, settings, state, out)
    elif settings[3][s, k, DURATION_US] > 0:
        roll_timed(of, s, k, at, count, rows, settings, state, out)
    elif of == VALUES:
        roll(VALUES, s, k, at, count, rows, settings, state, out)
    elif of == DEVIATIONS:
        roll(DEVIATIONS, s, k, at, count, rows, settings, state, out)
    elif of == SQUARES:
        roll(SQUARES, s, k, at, count, rows, settings, state, out)
    elif of == PRODUCTS:
        roll(PRODUCTS, s, k, at, count, rows, settings, state, out)
    else:
        roll(SIGNED_PRODUCTS, s, k, at, count, rows, settings, state, out)
    if kinds[k, LEADS]:
        for other in range(len(kinds)):
            if other != k and kinds[other, LEAD] == k:
                retell(s, other, at, count, rows, settings, state, out)


@compiled(f"int64(int64, int64[::1], {_ROWS}, {_SETTINGS}, {_STATE}, {_OUT})")
def advance(at: Any, starts: Any, rows: Any, settings: Any, state: Any, out: Any) -> Any:
    """Advance by the rows listed in `order` from `at` on.

    Returns:
        How many are done; fewer than there are when the tapes must grow first.
    """
    symbol_index, order, time_us, _, _, _ = rows
    tapes, kinds, timed = settings[0], settings[2], settings[6]
    fill, marks = state[1], state[2]
    while at < len(order):
        s = np.int64(symbol_index[order[at]])
        count = min(PIECE, starts[s + 1] - at)
        if not make_room(s, count, settings, state):
            return at
        if timed and marks[s, FIRST_US] == MISSING:
            marks[s, FIRST_US] = time_us[order[at]]
        record(s, at, count, rows, settings, state, out)
        span_horizons(s, count, settings, state)
        for k in range(len(kinds)):
            if kinds[k, LEAD] != k:
                continue
            if tapes[kinds[k, TAPE], KIND] == TRIMMED_RETURNS:
                trim(s, kinds[k, TAPE], at, count, rows, settings, state, out)
            _advance_sum(s, k, at, count, rows, settings, state, out)
        _decay(s, at, count, rows, settings, state, out)
        for t in range(len(tapes)):
            fill[s, t] += count
        marks[s, SEEN] = min(marks[s, SEEN] + count, settings[7])
        at += count
    return at


@compiled(f"void(int64, {_SETTINGS}, {_STATE})")
def recount(s: Any, settings: Any, state: Any) -> None:
    """Make the sums of a symbol anew from what is on its tapes."""
    tapes, horizon, kinds, spans, _, _, _, _ = settings
    tape, fill, marks, _, rolled, sums, _, _, _ = state
    for t in range(1, len(tapes)):
        rolled[s, t, :] = 0
        for at in range(fill[s, 0] - horizon[s, t], fill[s, 0]):
            if tape[s, at] != MISSING:
                rolled[s, t, 0] += tape[s, at]
                rolled[s, t, 1] += 1
    for k in range(len(kinds)):
        t, back = kinds[k, TAPE], (1 if kinds[k, OF] >= PRODUCTS else 0)
        until = fill[s, t] - spans[s, k, LAG]
        first = until - spans[s, k, LENGTH] + back
        if spans[s, k, DURATION_US] > 0:
            times = tapes[len(tapes) - 1, START]
            since = marks[s, NEWEST_US] - spans[s, k, DURATION_US]
            first = back
            while first < until and tape[s, times + first - back] <= since:
                first += 1
        zero = np.uint64(0)
        total = (np.int64(0), np.int64(0), zero, zero, zero, zero)
        for at in range(tapes[t, START] + first, tapes[t, START] + until):
            total = enter(kinds[k, OF], tape[s, at], tape[s, at - back], total)
        store(s, k, state, total)
        sums[s, k, LEFT] = first
