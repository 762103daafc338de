"""The compiled loop of regimes: volatilities in, regimes and changes out. State is plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int8, int32, int64, void

from pipeline.compiled import compiled, inlined
from pipeline.marks import NEVER
from pipeline.signatures import given, together

#: Spans of which the usual volatility is the median, and without how many it is unknown.
SPANS, SPANS_NEEDED = 288, 6

#: A volatility counts as so much at least: a hundred thousandth.
FLOOR = 1e-5

#: The ratio below which a symbol is calm, and above which it is elevated, and extreme.
BOUNDS = (0.6, 1.6, 3.0)

#: To go back over a bound takes so much more or less of it.
HYSTERESIS = 0.2

#: Samples for which another regime must hold.
DWELL = 12

#: Of the CUSUM, in deviations: what is taken off each, and the sum that is a change.
SLACK, LIMIT = 0.5, 12.0

#: Samples before there is a mean to compare with; after how many what was counts half.
LEARNT, HALF_LIFE = 60, 720

# Per symbol: the regime's code plus one, zero while unknown; since when another would hold; spans
# ever put on the ring; samples in the mean and in the deviation; samples since either sum was zero.
REGIME, AIMED_SINCE, FILLED, IN_MEAN, IN_SQUARE, SINCE_UP, SINCE_DOWN, MARKS = range(8)

# Per symbol: the usual volatility; mean and mean square deviation of ln volatility; both sums, and
# the totals since each was zero.
USUAL, MEAN, SQUARE, UP, DOWN, TOTAL_UP, TOTAL_DOWN, FIGURES = range(8)

#: The sum of squared returns, and how many.
_SQUARES = together(float64[::1], int32[::1])
#: Symbol, end, squares of the sample and of the span.
_ROWS = together(given(int32), given(int64), _SQUARES, _SQUARES)
_SETTINGS = together(int64, int64)  # how long a sample and a span are
_STATE = together(int64[:, ::1], float64[:, ::1], float64[:, ::1])


@compiled(void(int64, float64, _STATE), counted=True)  # the only part that makes an array
def _remember(s: Any, volatility: Any, state: Any) -> None:
    """Put the volatility of a span on the ring, and take the median anew."""
    marks, figures, spans = state
    spans[s, marks[s, FILLED] % SPANS] = volatility
    marks[s, FILLED] += 1
    known = min(marks[s, FILLED], SPANS)
    figures[s, USUAL] = np.median(spans[s, :known]) if known >= SPANS_NEEDED else np.nan


@inlined
def _volatility(row: Any, squares: Any) -> Any:
    """Return the root mean square return of a row, NaN where it is unknown."""
    total, terms = squares
    return np.sqrt(total[row] / max(terms[row], 1))


@inlined
def _aim(regime: Any, ratio: Any) -> Any:
    """Return the regime a ratio asks for, from the one there is: 1 to 4, or 0 for none."""
    aim = 2 if regime == 0 else regime
    # The first bound is crossed upwards to leave a regime, the others downwards.
    out = 0.0 if regime == 0 else HYSTERESIS
    while aim < 4 and ratio > BOUNDS[aim - 1] * (1.0 + (out if aim == 1 else 0.0)):
        aim += 1
    while aim > 1 and ratio < BOUNDS[aim - 2] * (1.0 - (out if aim > 2 else 0.0)):
        aim -= 1
    return aim


@inlined
def _settle(s: Any, now_us: Any, volatility: Any, dwell_us: Any, state: Any) -> None:
    """Change the regime once another has held for long enough."""
    marks, usual = state[0], state[1][s, USUAL]
    if np.isnan(volatility) or marks[s, FILLED] < SPANS_NEEDED:
        marks[s, REGIME], marks[s, AIMED_SINCE] = 0, NEVER
        return
    regime = marks[s, REGIME]
    aim = _aim(regime, max(volatility, FLOOR) / max(usual, FLOOR))
    if regime == 0:
        marks[s, REGIME] = aim
    elif aim == regime:
        marks[s, AIMED_SINCE] = NEVER
    elif marks[s, AIMED_SINCE] == NEVER:
        marks[s, AIMED_SINCE] = now_us
    elif now_us - marks[s, AIMED_SINCE] >= dwell_us:
        marks[s, REGIME], marks[s, AIMED_SINCE] = aim, NEVER


@inlined
def _begin(s: Any, up: Any, state: Any) -> None:
    """Take it that volatility has changed: what it is now is the mean since the sum was zero."""
    marks, figures, _ = state
    since = marks[s, SINCE_UP if up else SINCE_DOWN]
    figures[s, MEAN] = figures[s, TOTAL_UP if up else TOTAL_DOWN] / since
    marks[s, IN_MEAN] = since
    figures[s, UP] = figures[s, DOWN] = 0.0
    figures[s, TOTAL_UP] = figures[s, TOTAL_DOWN] = 0.0
    marks[s, SINCE_UP] = marks[s, SINCE_DOWN] = 0


@inlined
def _add(s: Any, x: Any, at: Any, total: Any, since: Any, excess: Any, state: Any) -> None:
    """Add what a sample has beyond the slack to a sum that is never below zero."""
    marks, figures, _ = state
    figures[s, at] += excess
    figures[s, total] += x
    marks[s, since] += 1
    if figures[s, at] <= 0.0:
        figures[s, at] = figures[s, total] = 0.0
        marks[s, since] = 0


@inlined
def _compare(s: Any, volatility: Any, state: Any) -> Any:
    """Return the sign of a change found with a sample, 0 for none; learn from it."""
    marks, figures, _ = state
    x = np.log(max(volatility, FLOOR))
    deviation = x - figures[s, MEAN]
    change = 0
    if marks[s, IN_SQUARE] >= LEARNT and figures[s, SQUARE] > 0.0:
        z = deviation / np.sqrt(figures[s, SQUARE])
        _add(s, x, UP, TOTAL_UP, SINCE_UP, z - SLACK, state)
        _add(s, x, DOWN, TOTAL_DOWN, SINCE_DOWN, -z - SLACK, state)
        if figures[s, UP] > LIMIT or figures[s, DOWN] > LIMIT:
            change = 1 if figures[s, UP] > LIMIT else -1
            _begin(s, change > 0, state)
            return change
    fading = np.log(2.0) / HALF_LIFE
    marks[s, IN_MEAN] += 1
    marks[s, IN_SQUARE] += 1
    figures[s, MEAN] += deviation * max(1.0 / marks[s, IN_MEAN], fading)
    square = deviation * (x - figures[s, MEAN])
    weight = max(1.0 / marks[s, IN_SQUARE], fading)
    figures[s, SQUARE] += (square - figures[s, SQUARE]) * weight
    return change


@compiled(void(_ROWS, _SETTINGS, _STATE, int8[::1], int8[::1]))
def advance(rows: Any, settings: Any, state: Any, regimes: Any, changes: Any) -> None:
    """Advance by rows, in time order for each symbol; a sample is taken where one ends."""
    index, end_us, of_sample, of_span = rows
    sample_us, span_us = settings
    for row in range(len(index)):
        s = index[row]
        if end_us[row] % sample_us == 0:
            volatility = _volatility(row, of_span)
            if end_us[row] % span_us == 0 and not np.isnan(volatility):
                _remember(s, volatility, state)
            _settle(s, end_us[row], volatility, DWELL * sample_us, state)
            newest = _volatility(row, of_sample)
            if not np.isnan(newest):
                changes[row] = _compare(s, newest, state)
        regimes[row] = state[0][s, REGIME] - 1
