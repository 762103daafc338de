"""The sums over windows: what enters is added, what leaves is taken away, exactly. Compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline import wide
from pipeline.compiled import compiled, inlined
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
    NEED,
    OF,
    PRODUCTS,
    SEEN,
    SIGNED_PRODUCTS,
    START,
    TAPE,
    TERMS,
    TOP,
    TRADES,
    UNIT,
    VALUES,
)


@compiled("Tuple((int64, uint64, uint64))(int64, int64, int64)")
def _term(of: Any, value: Any, before: Any) -> Any:
    """Return what a value adds to a sum: sign, high and low limb; sign 0 where it is missing."""
    if value == MISSING or (of >= PRODUCTS and before == MISSING):
        return 0, np.uint64(0), np.uint64(0)
    if of == VALUES:
        return 1, np.uint64(0), np.uint64(0)  # summed as they are
    high, low = wide.multiply(
        np.uint64(abs(value)), np.uint64(abs(value if of < PRODUCTS else before))
    )
    negative = of == SIGNED_PRODUCTS and (value < 0) != (before < 0)
    return (-1 if negative else 1), high, low


@inlined
def enter(of: Any, value: Any, before: Any, total: Any) -> Any:
    """Return a total with a value added.

    Args:
        of: What is summed.
        value: What enters the window.
        before: What lies before it on the tape.
        total: Terms; the sum, three limbs; and for deviations the sum of the values, two limbs.
    """
    n, top, high, low, values_high, values_low = total
    sign, more, less = _term(of, value, before)
    if of <= DEVIATIONS and sign != 0:
        values_high, values_low = wide.shift(values_high, values_low, value)
    if of != VALUES and sign > 0:
        top, high, low = wide.add3(top, high, low, more, less)
    elif of != VALUES and sign < 0:
        top, high, low = wide.subtract3(top, high, low, more, less)
    return n + abs(sign), top, high, low, values_high, values_low


@inlined
def leave(of: Any, value: Any, before: Any, total: Any) -> Any:
    """Return a total with a value taken away: the reverse of `enter`."""
    n, top, high, low, values_high, values_low = total
    sign, more, less = _term(of, value, before)
    if of <= DEVIATIONS and sign != 0:
        values_high, values_low = wide.shift(values_high, values_low, -value)
    if of != VALUES and sign > 0:
        top, high, low = wide.subtract3(top, high, low, more, less)
    elif of != VALUES and sign < 0:
        top, high, low = wide.add3(top, high, low, more, less)
    return n - abs(sign), top, high, low, values_high, values_low


@inlined
def load(s: Any, k: Any, state: Any) -> Any:
    """Return the total of a sum."""
    sums, limbs = state[5], state[6]
    return (
        sums[s, k, TERMS],
        sums[s, k, TOP],
        limbs[s, k, 0],
        limbs[s, k, 1],
        limbs[s, k, 2],
        limbs[s, k, 3],
    )


@inlined
def store(s: Any, k: Any, state: Any, total: Any) -> None:
    """Keep the total of a sum."""
    sums, limbs = state[5], state[6]
    sums[s, k, TERMS], sums[s, k, TOP], limbs[s, k, 0], limbs[s, k, 1] = total[:4]
    limbs[s, k, 2], limbs[s, k, 3] = total[4:]


@inlined
def _figure(of: Any, total: Any) -> Any:
    """Return a total as a double, in units of what is summed."""
    n, top, high, low, values_high, values_low = total
    if of == VALUES:
        return wide.as_signed_float(values_high, values_low)
    if of == DEVIATIONS:
        return wide.scatter(n, top, high, low, values_high, values_low)
    return wide.as_float3(top, high, low)


@inlined
def _unit(of: Any, kind: Any) -> Any:
    if kind == TRADES:
        return 1.0
    return UNIT if of == VALUES else UNIT * UNIT


@inlined
def _before(kind: Any, horizon: Any) -> Any:
    """Return how many samples lie before the first value that a tape can have."""
    return 0 if kind == TRADES else horizon


@inlined
def _note(of: Any, j: Any, figure: Any, total: Any, state: Any) -> None:
    """Note what a sum is for those it leads: before the piece at 0, then row by row."""
    told = state[8]
    told[j, 0], told[j, 1] = total[0], figure
    if of == DEVIATIONS:
        told[j, 2] = wide.as_signed_float(total[4], total[5]) * UNIT


@inlined
def roll(
    of: Any,
    s: Any,
    k: Any,
    first: Any,
    count: Any,
    rows: Any,
    settings: Any,
    state: Any,
    out: Any,
) -> None:
    """Advance a sum over so many samples by those that were just put on its tape.

    Inlined where `of` is a constant, so that each summand has a loop of its own.
    """
    back = 1 if of >= PRODUCTS else 0  # a pair is in the window when its older half is
    t, leads = settings[2][k, TAPE], settings[2][k, LEADS]
    length, lag = settings[3][s, k, LENGTH], settings[3][s, k, LAG]
    need, unit = settings[3][s, k, NEED], _unit(of, settings[0][t, KIND])
    tape, order, values, terms = state[0], rows[1], out[2], out[3]
    entering = settings[0][t, START] + state[1][s, t] - lag
    leaving = entering - length + back
    until_full = length + lag + _before(settings[0][t, KIND], settings[1][s, t]) - state[2][s, SEEN]
    total = load(s, k, state)
    if leads:
        _note(of, 0, _figure(of, total) * unit, total, state)
    for j in range(count):
        total = enter(of, tape[s, entering + j], tape[s, entering + j - back], total)
        total = leave(of, tape[s, leaving + j], tape[s, leaving + j - back], total)
        figure = _figure(of, total) * unit
        if leads:
            _note(of, j + 1, figure, total, state)
        row = order[first + j]
        terms[k, row] = total[0]
        values[k, row] = figure if j + 1 >= until_full and total[0] >= need else np.nan
    store(s, k, state, total)


@inlined
def roll_timed(
    of: Any,
    s: Any,
    k: Any,
    first: Any,
    count: Any,
    rows: Any,
    settings: Any,
    state: Any,
    out: Any,
) -> None:
    """Advance a sum over a duration (t - duration, t], t being the time of each sample."""
    back = 1 if of >= PRODUCTS else 0
    tapes, t, leads = settings[0], settings[2][k, TAPE], settings[2][k, LEADS]
    duration_us, first_us = settings[3][s, k, DURATION_US], state[2][s, FIRST_US]
    lag, need, unit = settings[3][s, k, LAG], settings[3][s, k, NEED], _unit(of, tapes[t, KIND])
    tape, order, time_us, values, terms = state[0], rows[1], rows[2], out[2], out[3]
    start, times = tapes[t, START], tapes[len(tapes) - 1, START]
    newest = state[1][s, t] - lag
    left, total = state[5][s, k, LEFT], load(s, k, state)
    for j in range(count):
        here = start + newest + j
        total = enter(of, tape[s, here], tape[s, here - back], total)
        row = order[first + j]
        since = time_us[row] - duration_us
        while left <= newest + j and tape[s, times + left - back] <= since:
            total = leave(of, tape[s, start + left], tape[s, start + left - back], total)
            left += 1
        figure = _figure(of, total) * unit
        if leads:
            _note(of, j + 1, figure, total, state)
        terms[k, row] = total[0]
        values[k, row] = figure if first_us <= since and total[0] >= need else np.nan
    state[5][s, k, LEFT] = left
    store(s, k, state, total)


@inlined
def retell(
    s: Any,
    k: Any,
    first: Any,
    count: Any,
    rows: Any,
    settings: Any,
    state: Any,
    out: Any,
) -> None:
    """Tell a sum of what the one that leads it is, after the same row or the row before."""
    kinds, windows, told = settings[2], settings[3], state[8]
    lead, behind = kinds[k, LEAD], windows[s, k, LAG] - windows[s, kinds[k, LEAD], LAG]
    figure = 1 if kinds[k, OF] == kinds[lead, OF] else 2
    t = kinds[k, TAPE]
    reach = windows[s, k, LENGTH] + windows[s, k, LAG]
    reach += _before(settings[0][t, KIND], settings[1][s, t])
    need, until_full = windows[s, k, NEED], reach - state[2][s, SEEN]
    duration_us, first_us = windows[s, k, DURATION_US], state[2][s, FIRST_US]
    order, time_us, values, terms = rows[1], rows[2], out[2], out[3]
    for j in range(count):
        row = order[first + j]
        n = told[j + 1 - behind, 0]
        full = first_us <= time_us[row] - duration_us if duration_us > 0 else j + 1 >= until_full
        terms[k, row] = n
        values[k, row] = told[j + 1 - behind, figure] if full and n >= need else np.nan
    state[5][s, k, LEFT] = state[5][s, lead, LEFT]
