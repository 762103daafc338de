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


@compiled("Tuple((int64, uint64, uint64))(int64, int64, int64)", counted=False)
def _term(of: Any, value: Any, before: Any) -> Any:  # noqa: ANN401 - compiled: the signature has the types
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
def enter(of: Any, value: Any, before: Any, total: Any) -> Any:  # noqa: ANN401 - as above
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
def leave(of: Any, value: Any, before: Any, total: Any) -> Any:  # noqa: ANN401 - as above
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
def load(s: Any, k: Any, state: Any) -> Any:  # noqa: ANN401 - as above
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
def store(s: Any, k: Any, state: Any, total: Any) -> None:  # noqa: ANN401 - as above
    """Keep the total of a sum."""
    sums, limbs = state[5], state[6]
    sums[s, k, TERMS], sums[s, k, TOP], limbs[s, k, 0], limbs[s, k, 1] = total[:4]
    limbs[s, k, 2], limbs[s, k, 3] = total[4:]


@inlined
def _figure(of: Any, total: Any) -> Any:  # noqa: ANN401 - as above
    """Return a total as a double, in units of what is summed."""
    n, top, high, low, values_high, values_low = total
    if of == VALUES:
        return wide.as_signed_float(values_high, values_low)
    if of == DEVIATIONS:
        return wide.scatter(n, top, high, low, values_high, values_low)
    return wide.as_float3(top, high, low)


@inlined
def _unit(of: Any, kind: Any) -> Any:  # noqa: ANN401 - as above
    if kind == TRADES:
        return 1.0
    return UNIT if of == VALUES else UNIT * UNIT


@inlined
def roll(  # noqa: PLR0913, PLR0917 - compiled: state travels as tuples of arrays
    of: Any,  # noqa: ANN401 - as above
    s: Any,  # noqa: ANN401
    k: Any,  # noqa: ANN401
    first: Any,  # noqa: ANN401
    count: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    settings: Any,  # noqa: ANN401
    state: Any,  # noqa: ANN401
    out: Any,  # noqa: ANN401
) -> None:
    """Advance a sum over so many samples by those that were just put on its tape.

    Inlined where `of` is a constant, so that each summand has a loop of its own.
    """
    back = 1 if of >= PRODUCTS else 0  # a pair is in the window when its older half is
    t = settings[2][k, TAPE]
    length, lag = settings[3][s, k, LENGTH], settings[3][s, k, LAG]
    need, unit = settings[3][s, k, NEED], _unit(of, settings[0][t, KIND])
    tape, order, values, terms = state[0], rows[1], out[2], out[3]
    entering = settings[0][t, START] + state[1][s, t] - lag
    leaving = entering - length + back
    until_full = length + lag + settings[1][s, t] - 1 - state[2][s, SEEN]
    total = load(s, k, state)
    for j in range(count):
        total = enter(of, tape[s, entering + j], tape[s, entering + j - back], total)
        total = leave(of, tape[s, leaving + j], tape[s, leaving + j - back], total)
        row = order[first + j]
        known = j + 1 >= until_full and total[0] >= need
        terms[k, row] = total[0]
        values[k, row] = _figure(of, total) * unit if known else np.nan
    store(s, k, state, total)


@inlined
def roll_timed(  # noqa: PLR0913, PLR0917 - as above
    s: Any,  # noqa: ANN401 - as above
    k: Any,  # noqa: ANN401
    first: Any,  # noqa: ANN401
    count: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    settings: Any,  # noqa: ANN401
    state: Any,  # noqa: ANN401
    out: Any,  # noqa: ANN401
) -> None:
    """Advance a sum over a duration (t - duration, t], t being the time of each sample."""
    tapes, of, t = settings[0], settings[2][k, OF], settings[2][k, TAPE]
    back = 1 if of >= PRODUCTS else 0
    lag, need, unit = settings[3][s, k, LAG], settings[3][s, k, NEED], _unit(of, tapes[t, KIND])
    tape, order, time_us, values, terms = state[0], rows[1], rows[2], out[2], out[3]
    start, times = tapes[t, START], tapes[len(tapes) - 1, START]
    left, total = state[5][s, k, LEFT], load(s, k, state)
    for j in range(count):
        newest = state[1][s, t] + j - lag
        total = enter(of, tape[s, start + newest], tape[s, start + newest - back], total)
        row = order[first + j]
        since = time_us[row] - settings[3][s, k, DURATION_US]
        while left <= newest and tape[s, times + left - back] <= since:
            total = leave(of, tape[s, start + left], tape[s, start + left - back], total)
            left += 1
        known = state[2][s, FIRST_US] <= since and total[0] >= need
        terms[k, row] = total[0]
        values[k, row] = _figure(of, total) * unit if known else np.nan
    state[5][s, k, LEFT] = left
    store(s, k, state, total)
