"""The compiled loop of alarm budgets: scores in, thresholds out. State is plain arrays.

Peaks over a level (Pickands 1975; for streams Siffer and others 2017): what independent peaks have
beyond a high level follows a generalised Pareto law. Its shape and scale are those of its
probability-weighted moments (Hosking and Wallis 1987): a closed form, steady with few peaks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int32, int64, void

from pipeline.compiled import compiled, inlined
from pipeline.marks import NEVER
from pipeline.signatures import given, together

#: The fewest peaks that tell a law, and the most: of more the largest.
FEWEST, MOST = 20, 100

#: The rarest rate that is told of: so many in all the time that was watched.
BEYOND = 0.1

#: The shape of the law is kept within: what few peaks say of it is much too uncertain.
LIGHTEST, HEAVIEST = 0.3, 0.8

# Per symbol: the newest bucket, and since when a run of high scores has been low.
NEWEST, LOW_US = range(2)

#: Symbol, end, score, tested return in basis points.
_ROWS = together(given(int32), given(int64), float64[::1], float64[::1])
#: By symbol: the rates of the three severities, per row; the score from which a run is high, and
#: the return without which a row has no peak; how long a run that has ended was low.
_RULES = together(float64[:, ::1], float64[:, ::1], int64[::1])
#: The marks above; the peak of the run under way, 0 for none; bucket by bucket the largest peaks, 0
#: for none, and how many rows were judged; the thresholds in force.
_STATE = together(int64[:, ::1], float64[::1], float64[:, :, ::1], int64[:, ::1], float64[:, ::1])


@inlined
def _keep(s: Any, state: Any) -> None:  # noqa: ANN401 - compiled: the signature has the types
    """Put the peak of a run among those of the newest bucket, if it is large enough."""
    mine, peak = state[2][s, state[0][s, NEWEST]], state[1][s]
    least = np.argmin(mine)
    mine[least] = max(mine[least], peak)
    state[1][s] = 0.0
    state[0][s, LOW_US] = NEVER


@compiled(void(int64, _RULES, _STATE))
def fit(s: Any, rules: Any, state: Any) -> None:  # noqa: ANN401 - as above
    """Set the thresholds of a symbol by its peaks, as far as these can tell."""
    tops, limits = state[2][s], state[4][s]
    rates, known_from = rules[0][s], rules[1][s, 0]
    watched = state[3][s].sum()
    for bucket in range(len(tops)):
        # Of a full bucket the peaks below its least one are not known.
        known_from = max(known_from, tops[bucket].min())
    every = np.sort(tops.ravel())
    peaks = every[np.searchsorted(every, known_from, "right") :]
    count = len(peaks)
    if count < FEWEST:
        return
    taken = min(count, MOST)
    level = known_from if taken == count else peaks[count - taken - 1]
    first = second = 0.0
    for j in range(taken):
        excess = peaks[count - taken + j] - level
        first += excess
        second += excess * (1.0 - (j + 0.65) / taken)
    first, second = first / taken, second / taken
    shape = LIGHTEST  # as of peaks that are all the same
    if first > 0.0:
        shape = min(max(2.0 - first / (first - 2.0 * second), LIGHTEST), HEAVIEST)
    scale = first * (1.0 - shape)
    for severity in range(len(limits)):
        expected = rates[severity] * watched
        if expected >= taken:
            limits[severity] = peaks[count - int(expected)] if expected < count else known_from
        elif expected >= BEYOND:
            limits[severity] = level + scale * ((taken / expected) ** shape - 1.0) / shape
        if severity:
            limits[severity] = max(limits[severity], limits[severity - 1])


@compiled(void(_ROWS, _RULES, int64, _STATE, float64[:, ::1]))
def watch(rows: Any, rules: Any, bucket_rows: Any, state: Any, out: Any) -> None:  # noqa: ANN401 - as above
    """Write the thresholds that are in force at each row, and learn from its score for later ones.

    Args:
        rows: In time order for each symbol; a score that is not known teaches nothing.
        rules: Above; a symbol without rates keeps its thresholds.
        bucket_rows: Judged rows of a bucket, after each of which thresholds are set anew.
        state: Above.
        out: By severity and row.
    """
    index, end_us, score, move_bp = rows
    rates, levels, rest_us = rules
    marks, peak, tops, judged, limits = state
    for row in range(len(index)):
        s = index[row]
        out[:, row] = limits[s]
        if np.isnan(rates[s, 0]) or np.isnan(score[row]):
            continue
        judged[s, marks[s, NEWEST]] += 1
        if score[row] >= levels[s, 0]:
            marks[s, LOW_US] = NEVER
            if abs(move_bp[row]) >= levels[s, 1]:
                peak[s] = max(peak[s], score[row])
        elif peak[s] > 0.0:
            if marks[s, LOW_US] == NEVER:
                marks[s, LOW_US] = end_us[row]
            if end_us[row] - marks[s, LOW_US] >= rest_us[s]:
                _keep(s, state)
        if judged[s, marks[s, NEWEST]] == bucket_rows:
            fit(s, rules, state)
            marks[s, NEWEST] = (marks[s, NEWEST] + 1) % judged.shape[1]
            tops[s, marks[s, NEWEST]], judged[s, marks[s, NEWEST]] = 0.0, 0
