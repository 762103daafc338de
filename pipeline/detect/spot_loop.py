"""The compiled loop of alarm budgets: scores in, thresholds in force out. State is plain arrays.

Peaks of clusters are counted in bins of a fiftieth, so that what is known of a symbol has one size
for ever. Levels and peaks are in units of the score at which counting starts, the gate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int32, int64, types, void

from pipeline.compiled import compiled, inlined
from pipeline.durations import DAY
from pipeline.marks import NEVER
from pipeline.signatures import given, together

#: Bin k holds the peaks of 1.02^k to 1.02^(k+1) gates; the last one, 156 gates, all above.
BIN_RATIO, BINS = 1.02, 256

#: Of judged time: after so much a day's clusters count half.
HALF_LIFE_DAYS = 30.0
_FADED = 0.5 ** (1.0 / HALF_LIFE_DAYS)

#: Without so many days and clusters, the thresholds stay what they are.
LEAST_DAYS, LEAST_PEAKS = 3, 30.0

#: The tail that is fitted has so many times the clusters of the most frequent budget.
TAIL_OF_MOST = 16.0

#: No rate is rarer than once in so many times the history that is known.
BEYOND = 10.0

#: Tails of scores of minute bars have this shape; it counts as so many clusters.
USUAL_SHAPE, USUAL_PEAKS = 0.5, 300.0

# Per symbol: the newest row, when the score was last above the gate, how much of the present day
# was judged, how many days are over.
LAST_US, HOT_US, DAY_US, DAYS = range(4)
# Per symbol: the highest score of the cluster under way, 0 for none; the days that are known,
# those long ago counting less; the same when the thresholds were last found by what is known.
PEAK, KNOWN_DAYS, COUNTED_DAYS = range(3)

#: Symbol, end, score, move.
_ROWS = together(given(int32), given(int64), given(float64), given(float64))
#: Symbol by symbol: budgets as rates a day (NaN for none), the gate, how long the score is below it
#: between clusters, the least move of a peak; and the longest time that a row stands for.
_SETTINGS = together(float64[:, ::1], float64[::1], int64[::1], float64[::1], int64)
#: The marks and figures above, the thresholds in force, the counts of peaks; and these as they were
#: at the end of the newest day after which they were enough, which thresholds are found by: none
#: before the first.
_STATE = together(int64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])


@compiled(types.UniTuple(float64, 4)(float64[::1], float64))
def tail_of(counts: Any, wanted: Any) -> Any:
    """Fit a generalised Pareto distribution to the peaks above a level.

    By probability-weighted moments (Hosking and Wallis 1987), a bin's peaks being at its middle:
    with a0 = mean y and a1 = mean (1 - F) y of the excesses y, shape = 2 - a0 / (a0 - 2 a1) and
    scale = a0 (1 - shape). The shape is drawn towards the usual one, the scale keeps the mean.

    Args:
        counts: Bin by bin; more than none in all.
        wanted: The level is the highest with so many above it, or else the gate.

    Returns:
        The level, how many are above, the scale and the shape.
    """
    first, above = len(counts) - 1, counts[-1]
    while first > 0 and above < wanted:
        first -= 1
        above += counts[first]
    level = BIN_RATIO**first
    below = mean = weighted = 0.0
    for at in range(first, len(counts)):
        excess = BIN_RATIO ** (at + 0.5) - level
        rank = 1.0 - (below + 0.5 * counts[at]) / above
        mean += counts[at] * excess / above
        weighted += counts[at] * rank * excess / above
        below += counts[at]
    own = max(2.0 - mean / (mean - 2.0 * weighted), -0.5)  # always below 1
    shape = (above * own + USUAL_PEAKS * USUAL_SHAPE) / (above + USUAL_PEAKS)
    return level, above, mean * (1.0 - shape), shape


@inlined
def _level_for(times: Any, tail: Any) -> Any:
    """Return what the tail exceeds so many times as rarely as its level; at least that level."""
    level, _, scale, shape = tail
    growth = np.log(max(times, 1.0))
    if abs(shape) < 1e-9:
        return level + scale * growth
    return level + scale * np.expm1(shape * growth) / shape


@compiled(void(int64, _SETTINGS, _STATE), counted=True)
def find(s: Any, settings: Any, state: Any) -> None:
    """Find the thresholds of a symbol by what was known at the end of a day, if that was enough."""
    rates, gates = settings[0], settings[1]
    figures, levels, counted = state[1], state[2], state[4]
    days = figures[s, COUNTED_DAYS]
    if days > 0.0:
        tail = tail_of(counted[s], max(LEAST_PEAKS, TAIL_OF_MOST * rates[s, 0] * days))
        for at in range(rates.shape[1]):
            expected = max(rates[s, at] * days, 1.0 / BEYOND)
            levels[s, at] = gates[s] * _level_for(tail[1] / expected, tail)


@compiled(void(int64, _SETTINGS, _STATE), counted=True)
def _end_day(s: Any, settings: Any, state: Any) -> None:
    """Count a judged day, find the thresholds anew, and let what is known fade."""
    marks, figures, _, counts, counted = state
    marks[s, DAY_US] -= DAY
    marks[s, DAYS] += 1
    figures[s, KNOWN_DAYS] += 1.0
    if marks[s, DAYS] >= LEAST_DAYS and counts[s].sum() >= LEAST_PEAKS:
        figures[s, COUNTED_DAYS] = figures[s, KNOWN_DAYS]
        counted[s] = counts[s]
    find(s, settings, state)
    figures[s, KNOWN_DAYS] *= _FADED
    counts[s] *= _FADED


@inlined
def _end_cluster(s: Any, gate: Any, state: Any) -> None:
    """Count the peak of the cluster that is over."""
    marks, figures, counts = state[0], state[1], state[3]
    if figures[s, PEAK] > 0.0:
        # Bounded before it is made whole: of an infinite score there is no whole number.
        place = min(np.log(figures[s, PEAK] / gate) / np.log(BIN_RATIO), BINS - 1.0)
        counts[s, max(int(place), 0)] += 1.0
    marks[s, HOT_US], figures[s, PEAK] = NEVER, 0.0


@compiled(void(_ROWS, _SETTINGS, _STATE, float64[:, ::1]))
def advance(rows: Any, settings: Any, state: Any, in_force: Any) -> None:
    """Write the thresholds each row meets, and learn from it; in time order for each symbol."""
    index, end_us, score, move_bp = rows
    rates, gates, apart_us, least_bp, longest_us = settings
    marks, figures, levels = state[0], state[1], state[2]
    for row in range(len(index)):
        s, now_us = index[row], end_us[row]
        for at in range(levels.shape[1]):
            in_force[row, at] = levels[s, at]
        if np.isnan(rates[s, 0]):
            continue
        if marks[s, HOT_US] != NEVER and now_us - marks[s, HOT_US] > apart_us[s]:
            _end_cluster(s, gates[s], state)
        if score[row] >= gates[s]:
            marks[s, HOT_US] = now_us
            if abs(move_bp[row]) >= least_bp[s]:
                figures[s, PEAK] = max(figures[s, PEAK], score[row])
        if not np.isnan(score[row]) and marks[s, LAST_US] != NEVER:
            marks[s, DAY_US] += min(now_us - marks[s, LAST_US], longest_us)
        marks[s, LAST_US] = now_us
        if marks[s, DAY_US] >= DAY:
            _end_day(s, settings, state)
