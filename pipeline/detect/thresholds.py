"""The scores that alerts start and rise at: as they are written, or as a budget of alarms asks.

A budget says how often there may be an episode, of each severity or worse. The scores of a symbol
itself tell which threshold that is: the peaks of its runs of high scores are kept for a while, and
the law of the largest of them says what is exceeded so often, see `pipeline.detect.budget_loop`.
Thresholds are set anew after every six hours that were judged, from what was before alone; those of
an episode are the ones that were in force when it started.

Kept are, of each six hours of the last sixty days that were judged, the sixteen largest peaks; what
is older is forgotten, so thresholds are never other than those of a history so long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.budget_loop import LOW_US, NEWEST, fit, watch
from pipeline.durations import DAY, HOUR
from pipeline.marks import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.detect.config import EpisodesConfig
    from pipeline.detect.protocol import Scores

#: After so long thresholds are set anew; so many such spans are kept, and of each so many peaks.
BUCKET_US, BUCKETS, PEAKS = 6 * HOUR, 240, 16


class Thresholds:
    """The thresholds of the symbols of a shard.

    Args:
        configs: Symbol by symbol.
        every_us: The grid step; null where every trade is a sample, and nobody has a budget.
    """

    def __init__(self, configs: Sequence[EpisodesConfig], *, every_us: int | None) -> None:
        self._every_us = every_us
        self._take(configs)

    def _take(self, configs: Sequence[EpisodesConfig]) -> None:
        """Start with rules, knowing nothing."""
        self._has_budget = [config.budget is not None for config in configs]
        kept = BUCKETS if any(self._has_budget) else 0
        count, step_us = len(configs), self._every_us or BUCKET_US
        self._bucket_rows = BUCKET_US // step_us
        written = [(one.enter, one.severity.major, one.severity.critical) for one in configs]
        rates = np.full((count, 3), np.nan)
        for index, config in enumerate(configs):
            if config.budget is not None:
                rates[index] = np.array(config.budget.per_day) * step_us / DAY
        levels = np.array([(config.exit, config.min_move_bp) for config in configs])
        rest_us = np.array([config.hold + config.cool_down for config in configs])
        self._rules = (rates, levels, rest_us)
        marks = np.zeros((count, 2), dtype=np.int64)
        marks[:, LOW_US] = NEVER
        self._state = (
            marks,
            np.zeros(count),
            np.zeros((count, kept, PEAKS)),
            np.zeros((count, kept), dtype=np.int64),
            np.array(written),
        )

    def retune(self, configs: Sequence[EpisodesConfig]) -> None:
        """Take other rules; what was learnt under a budget serves another."""
        had, held = self._has_budget, [self.snapshot(index) for index in range(len(configs))]
        self._take(configs)
        for index, budgeted in enumerate(self._has_budget):
            if had[index] and budgeted:
                written = self._state[4][index].copy()
                self.restore(index, held[index])
                self._state[4][index] = written
                fit(index, self._rules, self._state)

    @property
    def in_force(self) -> NDArray[np.float64]:
        """By symbol, the scores from which an episode starts, is major, is critical."""
        return self._state[4]

    def push(
        self, index: NDArray[np.int32], end_us: NDArray[np.int64], scores: Scores
    ) -> NDArray[np.float64]:
        """Return what is in force at each row, by severity and row, and learn from the rows.

        Args:
            index: Row by row, the symbol.
            end_us: When the row's grid step ends, in time order for each symbol.
            scores: Of the rows.
        """
        if not any(self._has_budget):
            return self._state[4][index].T
        out = np.empty((3, len(index)))
        watch(
            (index, end_us, scores.score, scores.move_bp),
            self._rules,
            self._bucket_rows,
            self._state,
            out,
        )
        return out

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what was learnt of a symbol; nothing without a budget."""
        marks, peak, tops, judged, limits = self._state
        oldest = -1 - int(marks[index, NEWEST])
        arrays = {
            "peaks": np.sort(np.roll(tops[index], oldest, axis=0)).ravel(),
            "judged": np.roll(judged[index], oldest),
            "figures": np.append(limits[index], peak[index]),
            "low_us": marks[index, LOW_US : LOW_US + 1].copy(),
        }
        return (
            arrays if self._has_budget[index] else {name: one[:0] for name, one in arrays.items()}
        )

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        if not self._has_budget[index] or not len(arrays["peaks"]):
            return
        marks, peak, tops, judged, limits = self._state
        marks[index, NEWEST] = judged.shape[1] - 1
        marks[index, LOW_US] = arrays["low_us"][0]
        tops[index] = np.asarray(arrays["peaks"]).reshape(tops.shape[1:])
        judged[index] = arrays["judged"]
        limits[index], peak[index] = arrays["figures"][:3], arrays["figures"][3]
