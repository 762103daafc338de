"""Alarm budgets: thresholds told as rates, found from the symbol's own scores (SPOT).

After Siffer et al., Anomaly Detection in Streams with Extreme Value Theory, 2017.

Streaming peaks over threshold. Scores of `exit` and more, less than `hold` and `cool_down` apart,
are one cluster, as they would be one episode; its peak is what counts. Once a judged day a
generalised Pareto tail is fitted to the peaks of the past, and the thresholds are the levels it
exceeds as often as the budgets say. See `pipeline.detect.spot_loop` for the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.spot_loop import BINS, HOT_US, LAST_US, advance, find
from pipeline.durations import MINUTE
from pipeline.marks import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.detect.config import EpisodesConfig
    from pipeline.detect.protocol import Scores


class Spot:
    """The thresholds of every symbol of a shard: minor, major, critical.

    Those of a row depend on the rows of its symbol before it alone. Until a symbol was judged for
    three days and had thirty clusters, and where it has no budget, they are the fixed scores.

    Args:
        configs: Symbol by symbol.
        every_us: The grid step; null where every trade is a sample: then one stands for the time
            since the one before, a minute at most.
    """

    def __init__(self, configs: Sequence[EpisodesConfig], *, every_us: int | None) -> None:
        self._every_us = every_us
        self._take(configs)
        self._blank = self.snapshot(0)  # but for the gate the same for all

    def _take(self, configs: Sequence[EpisodesConfig]) -> None:
        """Start with rules, knowing nothing."""
        self._settings = (
            np.array([_rates(config) for config in configs]),
            np.array([config.exit for config in configs]),
            np.array([config.hold + config.cool_down for config in configs]),
            np.array([config.min_move_bp for config in configs]),
            MINUTE if self._every_us is None else self._every_us,
        )
        self._fixed = np.array(
            [(config.enter, config.severity.major, config.severity.critical) for config in configs]
        )
        marks = np.zeros((len(configs), 4), dtype=np.int64)
        marks[:, [LAST_US, HOT_US]] = NEVER
        self._state = (
            marks,
            np.zeros((len(configs), 3)),
            self._fixed.copy(),
            np.zeros((len(configs), BINS)),
            np.zeros((len(configs), BINS)),
        )

    @property
    def in_force(self) -> NDArray[np.float64]:
        """By symbol, the minor, major and critical threshold."""
        return self._state[2]

    def retune(self, configs: Sequence[EpisodesConfig]) -> None:
        """Take other rules; what is known of a symbol serves them, if it is counted as before.

        Thresholds of a budget are those the rules make of what was known when the newest judged day
        ended. So they stay where rules do not change, whenever this is called.
        """
        known = [self.snapshot(index) for index in range(len(self._fixed))]
        self._take(configs)
        for index, arrays in enumerate(known):
            self.restore(index, arrays)

    def push(
        self, index: NDArray[np.int32], end_us: NDArray[np.int64], scores: Scores
    ) -> NDArray[np.float64]:
        """Advance by scored rows, in time order for each symbol; return the thresholds of each.

        Args:
            index: Row by row, the symbol.
            end_us: When the row's grid step ends.
            scores: Of the rows.
        """
        if np.isnan(self._settings[0]).all():  # as mostly: nobody has a budget
            return np.take(self._state[2], index, axis=0)  # twice as quick as by its index
        in_force = np.empty((len(index), 3))
        advance(
            (index, end_us, scores.score, scores.move_bp), self._settings, self._state, in_force
        )
        return in_force

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays; its thresholds are what rules make of it."""
        marks, figures, _, counts, counted = (part[index].copy() for part in self._state)
        gate = self._settings[1][index : index + 1].copy()
        return {
            "gate": gate,
            "marks": marks,
            "figures": figures,
            "counts": counts,
            "counted": counted,
        }

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned, under the rules that now hold.

        Peaks that were counted from another score are in other units: they are forgotten.
        """
        if arrays["gate"][0] != self._settings[1][index]:
            arrays = self._blank
        marks, figures, levels, counts, counted = self._state
        marks[index], figures[index] = arrays["marks"], arrays["figures"]
        counts[index], counted[index] = arrays["counts"], arrays["counted"]
        levels[index] = self._fixed[index]
        if not np.isnan(self._settings[0][index, 0]):
            find(index, self._settings, self._state)


def _rates(config: EpisodesConfig) -> list[float]:
    """Return the budgets as rates a day, from the most frequent to the rarest; NaN for none."""
    budget = config.budget
    if budget is None:
        return [np.nan] * 3
    return [budget.minor.per_day, budget.major.per_day, budget.critical.per_day]
