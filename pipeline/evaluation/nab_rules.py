"""The rules of the Numenta Anomaly Benchmark, by its publication (Lavin and Ahmad, 2015).

Every labelled window is worth one point at most, for its earliest detection: the earlier, the
more. Every detection outside of windows costs, the more the further behind the last window it is; a
window without a detection costs, too. One threshold serves all files: the best one of each profile.
Rows of a file's probation count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: The share of a file's rows that is its probation, and the rows of which it is at most that.
PROBATION, PROBATION_OF_AT_MOST = 0.15, 5000

#: From so many window lengths behind a window on, a detection costs all it may.
_FAR = 3.0

#: In place of a window: the row is in none.
OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Profile:
    """What detections are worth to somebody.

    Attributes:
        name: As published.
        found: Points for a window detected in its first row.
        false_alarm: Points that a detection far from any window costs.
        missed: Points that a window without a detection costs.
    """

    name: str
    found: float
    false_alarm: float
    missed: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("reward_low_FP_rate", 1.0, 0.22, 1.0),
    Profile("reward_low_FN_rate", 1.0, 0.11, 2.0),
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The rows of a corpus, file after file, and what a detection in each is worth.

    Attributes:
        counts: Whether the row is behind its file's probation.
        window: Which of the windows of the corpus the row is in; `OUTSIDE` of all.
        worth: Of a detection, before any profile's weight: in a window 1 at its first row, and less
            for each later one; outside 0 next to the window before, down to -1.
        windows: How many there are.
    """

    counts: NDArray[np.bool_]
    window: NDArray[np.int64]
    worth: NDArray[np.float64]
    windows: int


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best that any one threshold gives.

    Attributes:
        points: Summed over the corpus.
        threshold: A row is a detection from it on; infinite if none is the best.
    """

    points: float
    threshold: float


def probation_of(rows: int) -> int:
    """Return how many rows at the start of a file do not count."""
    return int(PROBATION * min(rows, PROBATION_OF_AT_MOST))


def label(rows: int, spans: Sequence[tuple[int, int]]) -> Labelled:
    """Return what detections in one file are worth.

    Args:
        rows: Of the file.
        spans: First and last row of each window, in order and without overlap.
    """
    at = np.arange(rows)
    window = np.full(rows, OUTSIDE)
    worth = np.full(rows, -1.0)
    for number, (first, last) in enumerate(spans):
        length = last - first + 1
        inside = slice(first, last + 1)
        window[inside] = number
        worth[inside] = _scaled(-(last + 1 - at[inside]) / length) / _scaled(np.array([-1.0]))
        behind = at[last + 1 :] - last
        worth[last + 1 :] = _scaled(behind / max(length - 1, 1))
    return Labelled(at >= probation_of(rows), window, worth, len(spans))


def joined(files: Sequence[Labelled]) -> Labelled:
    """Return several files as one corpus."""
    before = np.cumsum([0, *(file.windows for file in files)])
    moved = [
        np.where(file.window == OUTSIDE, OUTSIDE, file.window + offset)
        for file, offset in zip(files, before[:-1].tolist(), strict=True)
    ]
    return Labelled(
        np.concatenate([file.counts for file in files]),
        np.concatenate(moved),
        np.concatenate([file.worth for file in files]),
        int(before[-1]),
    )


def optimum(corpus: Labelled, score: NDArray[np.float64], profile: Profile) -> Optimum:
    """Return the points of the best threshold for a profile: every score is tried as one.

    Args:
        corpus: As labelled.
        score: Row by row, the more unusual the higher; a row of NaN is never a detection.
        profile: What detections are worth.
    """
    rows = np.flatnonzero(corpus.counts & ~np.isnan(score))
    rows = rows[np.argsort(-score[rows], kind="stable")]
    gains = profile.false_alarm * corpus.worth[rows]
    window = corpus.window[rows]
    # Lowering the threshold, a window gains where a row of it is worth more than those before.
    inside = np.flatnonzero(window != OUTSIDE)
    inside = inside[np.argsort(window[inside], kind="stable")]
    starts = np.flatnonzero(np.diff(window[inside], prepend=OUTSIDE))
    for places in np.split(inside, starts[1:]) if len(starts) else ():
        best = np.maximum.accumulate(profile.found * corpus.worth[rows[places]])
        gains[places] = np.diff(best, prepend=-profile.missed)
    nothing = -profile.missed * len(np.unique(corpus.window[corpus.counts & (corpus.window >= 0)]))
    held = score[rows]
    ends = np.flatnonzero(np.diff(held, append=-np.inf))  # rows of the same score go together
    points = nothing + np.cumsum(gains)[ends]
    if not len(points) or points.max() <= nothing:
        return Optimum(nothing, np.inf)
    return Optimum(float(points.max()), float(held[ends[points.argmax()]]))


def normalised(corpus: Labelled, score: NDArray[np.float64], profile: Profile) -> float:
    """Return the score out of 100: 0 is to detect nothing, 100 is every window in its first row."""
    nothing = optimum(corpus, np.zeros(len(score)), profile).points
    perfect = profile.found * corpus.windows
    return 100.0 * (optimum(corpus, score, profile).points - nothing) / (perfect - nothing)


def _scaled(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the published weight of a place: nearly 1 at -1, 0 at 0, -1 from 3 on."""
    return np.where(position > _FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * position)) - 1.0)
