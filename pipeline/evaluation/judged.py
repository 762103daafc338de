"""How well scores tell jumps from all else: recall, false alarms, delay, at any threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.evaluation.simulated import Path

#: A jump is found by an alarm up to this long after it began.
HIT_US = 60 * SECOND
#: Alarms up to this long after a jump began are no false ones.
EXCUSED_US = 120 * SECOND
#: Alarms no further apart are one.
MERGED_US = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Judged:
    """A path's jumps against the scores of a detector.

    Attributes:
        path: What happened.
        time_us: When each score was known.
        score: NaN where there is none.
    """

    path: Path
    time_us: NDArray[np.int64]
    score: NDArray[np.float64]

    def jump_scores(self) -> NDArray[np.float64]:
        """Return the highest score in time for each jump; zero without one."""
        first = np.searchsorted(self.time_us, self.path.jump_us, side="right")
        last = np.searchsorted(self.time_us, self.path.jump_us + HIT_US, side="right")
        spans = zip(first.tolist(), last.tolist(), strict=True)
        return np.array([np.nanmax(self.score[a:b], initial=0.0) for a, b in spans])

    def delays_s(self, threshold: float) -> NDArray[np.float64]:
        """Return how long after it began each jump was found; NaN where it was not."""
        above = self.time_us[self.score >= threshold]
        at = np.searchsorted(above, self.path.jump_us, side="right")
        held = np.append(above, np.iinfo(np.int64).max)
        delay = held[at] - self.path.jump_us
        return np.where((at < len(above)) & (delay <= HIT_US), delay / SECOND, np.nan)

    def false_alarms(self, threshold: float) -> int:
        """Return how many alarms there are that no jump excuses."""
        above = self.time_us[self.score >= threshold]
        if not len(above):
            return 0
        is_start = np.diff(above, prepend=above[0] - MERGED_US - 1) > MERGED_US
        starts = above[is_start]
        jump = np.searchsorted(self.path.jump_us, starts, side="right") - 1
        begun = np.append(self.path.jump_us, np.iinfo(np.int64).min // 2)[jump]
        return int(np.count_nonzero(starts - begun > EXCUSED_US))


def threshold_at(judged: Sequence[Judged], recall: float) -> float:
    """Return the highest threshold by which that share of all jumps is found."""
    scores = np.sort(np.concatenate([one.jump_scores() for one in judged]))[::-1]
    return float(scores[int(np.ceil(recall * len(scores))) - 1])


def threshold_for(judged: Sequence[Judged], per_day: float) -> float:
    """Return the lowest threshold, to a thousandth, with so many false alarms a day at most."""
    low, high = 0.0, 1e4
    days = sum(one.path.days for one in judged)
    while high - low > 1e-3 * max(low, 1e-3):
        middle = 0.5 * (low + high)
        count = sum(one.false_alarms(middle) for one in judged)
        low, high = (low, middle) if count <= per_day * days else (middle, high)
    return high
