"""What closed bars say: windows advance, features follow, a score, and episodes made of scores."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.coverage import Coverage
from pipeline.detect.alerts import alerts_frame
from pipeline.detect.episodes import Episodes, ScoredRows
from pipeline.detect.registry import detector_of
from pipeline.detect.spot import Spot
from pipeline.durations import SECOND
from pipeline.ranges import RangeSums
from pipeline.regimes import NAMES, Regimes, regime_sums
from pipeline.schema import ALERTS, BARS, FEATURES_HEAD, FEATURES_TAIL
from pipeline.windows import Samples, Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.closed_bars import ClosedBars
    from pipeline.config import Config
    from pipeline.detect.config import EpisodesConfig
    from pipeline.detect.protocol import Scores
    from pipeline.snapshot import Stage
    from pipeline.windows import WindowColumns


_REGIMES = pl.Series([*NAMES, None], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step made known.

    Attributes:
        bars: BARS that closed.
        features: FEATURES_HEAD, the named features, for each of their windows `coverage_<window>`
            (the share of its bars that miss no trade), FEATURES_TAIL; row for row as `bars`.
        alerts: ALERTS that started, rose or ended.
    """

    bars: pl.DataFrame
    features: pl.DataFrame
    alerts: pl.DataFrame


def join_results(results: Sequence[StepResult]) -> StepResult:
    """Return one result after the other as one."""
    if len(results) == 1:
        return results[0]
    return StepResult(
        *(pl.concat([getattr(one, field.name) for one in results]) for field in fields(StepResult))
    )


class Analysis:
    """The windows, features, detector and episodes of a shard.

    Attributes:
        stages: What a snapshot carries.
        alerts: How many episodes started, per symbol.
    """

    def __init__(self, symbols: Sequence[str], config: Config) -> None:
        self._step_us = config.sampling.step_us
        self._features = config.feature_table()
        statistics = self._features.statistics
        detectors = [config.detector_of(symbol) for symbol in symbols]
        self._detector = detector_of(detectors, config.plugins, config.sampling)
        self._spot = Spot(detectors, every_us=self._step_us)
        self._episodes = Episodes(
            symbols,
            detectors,
            every_us=self._step_us,
            forward_fill_us=config.sampling.forward_fill,
        )
        self.alerts = self._episodes.started
        of_detector = self._detector.sums()
        of_regimes = [] if self._step_us is None else regime_sums(self._step_us)
        # A feature may need the same.
        others = [one for one in of_regimes if one not in statistics.sums]
        known = [*statistics.sums, *of_detector[0], *others]
        self._at_regimes = [known.index(one) for one in of_regimes]
        self._windows = Windows(
            [[*statistics.sums, *own, *others] for own in of_detector],
            statistics.half_lives,
            self._detector.trims,
            timed=self._step_us is None,
        )
        self._regimes: Regimes | None = None
        self._ranges: RangeSums | None = None
        self.stages: dict[str, Stage] = {
            "windows": self._windows,
            "spot": self._spot,
            "episodes": self._episodes,
            **{f"detector_{name}": stage for name, stage in self._detector.stages.items()},
        }
        if self._step_us is not None:
            self._regimes = Regimes(len(symbols), self._step_us)
            self.stages["regimes"] = self._regimes
        if statistics.range_windows:
            self._ranges = RangeSums(
                len(symbols), statistics.range_windows, statistics.range_step_us
            )
            self.stages["ranges"] = self._ranges
        self._coverage: Coverage | None = None
        if self._features.coverage:
            self._coverage = Coverage(len(symbols), list(self._features.coverage.values()))
            self.stages["coverage"] = self._coverage
        self._blank = {name: stage.snapshot(0) for name, stage in self.stages.items()}
        named = [(name, pl.Float64()) for name in self._features.names]
        covered = [(name, pl.Float32()) for name in self._features.coverage]
        features = pl.Schema([*FEATURES_HEAD.items(), *named, *covered, *FEATURES_TAIL.items()])
        self._nothing = StepResult(BARS.to_frame(), features.to_frame(), ALERTS.to_frame())

    def publish(self, closed: ClosedBars) -> StepResult:
        """Advance by closed bars and return what they say."""
        if closed.frame.is_empty():
            return self._nothing
        index, close = closed.symbol_index, closed.prices[3]
        end_us = closed.open_us if self._step_us is None else closed.open_us + self._step_us
        samples = Samples(index, end_us, close, closed.complete, closed.trades)
        columns = self._windows.push(samples)
        ranges = None
        if self._ranges is not None:
            ranges = self._ranges.push(index, end_us, closed.prices, closed.open_us)
        first = len(self._features.statistics.sums)
        scores = self._detector.score(samples, columns, first)
        in_force = self._spot.push(index, end_us, scores)
        episodes = self._episodes.push(ScoredRows(index, end_us, scores, in_force))
        # Series by series: an expression costs more than a small column.
        features = pl.DataFrame(
            [
                closed.frame["symbol"],
                closed.frame["open_time"],
                pl.Series("log_return", columns.log_return, nan_to_null=True),
                *self._features.compute(closed.frame, columns, ranges).get_columns(),
                *self._covered(index, closed.complete),
                *self._tail(scores),
                *self._regime(index, end_us, columns),
            ]
        )
        alerts = self._nothing.alerts
        if episodes:
            alerts = alerts_frame(episodes, self._detector.name)
        return StepResult(closed.frame, features, alerts)

    def forget(self, index: int) -> None:
        """Start the windows of a symbol anew; how it behaves is still known."""
        for name in self.stages.keys() - {"episodes", "spot", "regimes"}:
            self.stages[name].restore(index, self._blank[name])

    @property
    def in_force(self) -> NDArray[np.float64]:
        """By symbol, the scores from which an episode starts, is major, is critical."""
        return self._spot.in_force

    def retune(self, rules: Sequence[EpisodesConfig]) -> None:
        """Take other rules for episodes, symbol by symbol."""
        self._spot.retune(rules)
        self._episodes.retune(rules)

    def open_alert(self, index: int) -> pl.DataFrame:
        """Return ALERTS of a symbol's open episode: one row, or none."""
        episode = self._episodes.open_episode(index)
        return alerts_frame([] if episode is None else [episode], self._detector.name)

    def number_open_alert(self, index: int, revision: int) -> None:
        """Take it that a symbol's open episode was told under a revision."""
        self._episodes.number(index, revision)

    def _covered(self, index: NDArray[np.int32], complete: NDArray[np.bool_]) -> list[pl.Series]:
        """Return the share of each window's bars that miss no trade."""
        if self._coverage is None:
            return []
        shares = self._coverage.push(index, complete)
        return [
            pl.Series(name, share)
            for name, share in zip(self._features.coverage, shares, strict=True)
        ]

    def _regime(
        self, index: NDArray[np.int32], end_us: NDArray[np.int64], columns: WindowColumns
    ) -> list[pl.Series]:
        """Return the end of FEATURES_TAIL: the regimes."""
        if self._regimes is None:
            codes, changes = np.full((2, len(index)), [[-1], [0]], dtype=np.int8)
        else:
            codes, changes = self._regimes.push(index, end_us, columns, self._at_regimes)
        # The last name is taken for -1.
        return [_REGIMES[codes].alias("regime"), pl.Series("regime_change", changes)]

    def _tail(self, scores: Scores) -> list[pl.Series]:
        """Return FEATURES_TAIL up to the regimes."""
        horizon_s = np.full(len(scores.score), np.nan)
        if self._step_us is not None:
            horizon_s = scores.horizon_steps * (self._step_us / SECOND)
        return [
            pl.Series("score", scores.score, nan_to_null=True),
            pl.Series("direction", scores.direction),
            pl.Series("horizon_s", horizon_s, nan_to_null=True),
        ]
