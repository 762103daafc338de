"""The product's detector on series that are no prices: every row of a file is a sample.

A series becomes a price whose log returns are what is to be judged, so that the exact windows and
the score of `pipeline.detect.horizons` run as they do on a market. One set of parameters serves all
files and nothing is fitted. Each file is a symbol of one shard. Before its first row are as many
missing ones as its windows are long: they are full from the start, hold what there is, and judge
from `NEED` known terms on.

Units: values are counted in the mean step between the rows of the file's probation, which do not
count. That scale cancels out of every score but for the floor. Scores are in sigmas.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.horizons import horizon_scores, horizon_sums
from pipeline.evaluation.nab_rules import probation_of
from pipeline.windows import RollingSum, Samples, Trim, Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.windows import WindowColumns

#: The recipe of the product, its steps being rows: horizons, window, and outliers in sigmas.
HORIZONS, WINDOW, WINSOR = (1, 3, 6), 2000, 6.0

#: Of the two views: the rows that a level is the mean of, and the window of both.
LEVEL_ROWS, LONG_WINDOW = 24, 6400

#: Terms without which a scale is unknown; the shortest probation of the benchmark has 169 rows.
NEED = 100

#: The log return of a change by one mean step; and of a value of one, as these add up.
_CHANGE, _LEVEL = 1e-4, 1e-7

#: The least scale, in mean steps.
_FLOOR = 1e-3

#: The log of a price that is none to the windows, so that its returns are missing.
_NO_PRICE = 28.0


def multi_horizon(series: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return the score of the product's recipe: the largest of changes over several horizons.

    NaN while there are too few rows.
    """
    return _change_scores(series, HORIZONS, WINDOW, WINSOR)


def change_and_level(series: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return the sum of two views: the newest change, and the level of the newest rows.

    Both are in sigmas of the same window, so that neither needs a weight or a calibration. A view
    that cannot judge yet adds nothing; NaN where neither can.
    """
    changes = _change_scores(series, (1,), LONG_WINDOW, np.inf)
    levels = _level_scores(series, LEVEL_ROWS, LONG_WINDOW)
    return [
        np.where(np.isnan(change) & np.isnan(level), np.nan, np.nansum([change, level], axis=0))
        for change, level in zip(changes, levels, strict=True)
    ]


def peaks(score: NDArray[np.float64], since: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the scores that beat all those of the rows before them, NaN for all others.

    That is a cool-down: of an episode remains what starts or worsens it, at whatever threshold.

    Args:
        score: Row by row; NaN is beaten by all.
        since: Row by row, the first of the rows to beat; never descending.
    """
    held = np.full(len(score), np.nan)
    best: deque[tuple[int, float]] = deque()  # descending: what may yet be the largest
    for row, (one, first) in enumerate(zip(score.tolist(), since.tolist(), strict=True)):
        while best and best[0][0] < first:
            best.popleft()
        if np.isnan(one):
            continue
        if not best or one > best[0][1]:
            held[row] = one
        while best and best[-1][1] <= one:
            best.pop()
        best.append((row, one))
    return held


def _change_scores(
    series: Sequence[NDArray[np.float64]], horizons: Sequence[int], window: int, winsor: float
) -> list[NDArray[np.float64]]:
    """Return the product's score of changes between rows, in size."""
    paths = [
        np.concatenate([[np.nan], _CHANGE * (values - values[0]) / _step(values)])
        for values in series
    ]
    floor = _FLOOR * _CHANGE
    pad = window + 2 * horizons[-1]
    columns = _pushed(paths, horizon_sums(horizons, window, NEED), pad, Trim(winsor, floor))
    signed, _ = horizon_scores(columns, horizons, np.full(len(columns.log_return), floor))
    return _cut(np.abs(signed), series, pad)


def _level_scores(
    series: Sequence[NDArray[np.float64]], rows: int, window: int
) -> list[NDArray[np.float64]]:
    """Return how far the mean of the newest rows is from such means in the window before them."""
    paths = [
        np.cumsum(np.append(0.0, _LEVEL * (values - _start(values).mean()) / _step(values)))
        for values in series
    ]
    sums = [
        RollingSum("returns", rows, need=rows),
        RollingSum("returns", window, lag=rows, horizon=rows, need=NEED),
        RollingSum("deviations", window, lag=rows, horizon=rows, need=NEED),
    ]
    pad = window + 2 * rows
    columns = _pushed(paths, sums, pad, Trim())
    terms = np.maximum(columns.terms, 1)
    newest, mean = columns.values[0], columns.values[1] / terms[1]
    scale = np.maximum(np.sqrt(columns.values[2] / terms[2]), _FLOOR * _LEVEL * rows)
    return _cut(np.abs(newest - mean) / scale, series, pad)


def _pushed(
    paths: Sequence[NDArray[np.float64]], sums: list[RollingSum], pad: int, trim: Trim
) -> WindowColumns:
    """Return the windows of every path of log prices, each behind `pad` missing rows."""
    logs = np.concatenate([part for path in paths for part in (np.full(pad, np.nan), path)])
    index = np.repeat(np.arange(len(paths)), [pad + len(path) for path in paths])
    rows = len(logs)
    samples = Samples(
        index.astype(np.int32),
        np.arange(rows),
        np.exp(np.clip(logs, -_NO_PRICE, _NO_PRICE)),
        np.ones(rows, dtype=np.bool_),
        np.full(rows, -1),
    )
    return Windows([sums] * len(paths), trims=[trim] * len(paths)).push(samples)


def _cut(
    score: NDArray[np.float64], series: Sequence[NDArray[np.float64]], pad: int
) -> list[NDArray[np.float64]]:
    """Return the scores of the rows of each file, without what was put before them."""
    ends = np.cumsum([pad + 1 + len(values) for values in series]).tolist()
    return [score[end - len(values) : end] for end, values in zip(ends, series, strict=True)]


def _start(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of the probation, two at least: all that units are made of."""
    return values[: max(2, probation_of(len(values)))]


def _step(values: NDArray[np.float64]) -> float:
    """Return the mean size of a change in the probation; 1 if nothing changes."""
    changes = np.abs(np.diff(_start(values)))
    return float(changes.mean()) or 1.0 if len(changes) else 1.0
