"""All symbols side by side, at the coordinator: the market, and what each does beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.correlation import Correlations
from pipeline.folding import Folding
from pipeline.market_alerts import MarketAlerts
from pipeline.market_series import MarketSeries
from pipeline.market_steps import MarketSteps
from pipeline.residuals import Residuals
from pipeline.schema import ALERTS, MARKET, RESIDUALS, TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.config import Config
    from pipeline.config_sections import SamplingConfig
    from pipeline.detect.config import DetectorConfig
    from pipeline.market_series import MarketRows
    from pipeline.market_steps import Steps


_NO_MARKET, _NO_RESIDUALS = MARKET.to_frame(), RESIDUALS.to_frame()


@dataclass(frozen=True, slots=True)
class CrossSectionPlan:
    """What the market is judged by."""

    detector: DetectorConfig
    plugins: tuple[str, ...]
    sampling: SamplingConfig
    min_symbols: int
    fold_within_us: int

    @property
    def step_us(self) -> int:
        """The grid step."""
        assert self.sampling.step_us is not None  # noqa: S101 - without a grid there is no plan
        return self.sampling.step_us


def cross_section_plan(config: Config) -> CrossSectionPlan | None:
    """Return what a configuration says of the market: none where every trade is a sample."""
    if config.sampling.step_us is None:
        return None
    market = config.market
    return CrossSectionPlan(
        config.detector, config.plugins, config.sampling, market.min_symbols, market.fold_within
    )


@dataclass(frozen=True, slots=True)
class CrossSectionResult:
    """What became known.

    Attributes:
        market: MARKET.
        residuals: RESIDUALS, of the symbols that have one.
        alerts: ALERTS: those of symbols that were handed in, then those that turned out to be part
            of the market's, then the market's own.
    """

    market: pl.DataFrame
    residuals: pl.DataFrame
    alerts: pl.DataFrame


class CrossSection:
    """The market of some symbols, fed with what is told of them; see `pipeline.market_steps`.

    A bar that is restated after its step was taken does not change what the market has told: the
    step did without it, or had it as it was known then.

    Args:
        plan: What the market is judged by.
        enter: Of each symbol that is expected, the score from which an episode starts.
    """

    def __init__(self, plan: CrossSectionPlan, enter: Mapping[str, float]) -> None:
        self._steps = MarketSteps((), plan.step_us)
        self._series = MarketSeries(plan.detector, plan.plugins, plan.sampling, plan.min_symbols)
        self._residuals = Residuals(0)
        self._correlations = Correlations(plan.step_us)
        self._alerts = MarketAlerts(self._series.detector, plan.fold_within_us)
        self._folding = Folding(plan.fold_within_us)
        self._enter = np.empty(0)
        self._columns: dict[str, int] = {}
        self.expect(enter)

    @property
    def late(self) -> int:
        """How many rows came after their step was taken."""
        return self._steps.late

    def correlations(self) -> pl.DataFrame:
        """Return CORRELATIONS of all pairs of the first symbols, see `pipeline.correlation`."""
        return self._correlations.pairs(self._steps.symbols)

    def expect(self, enter: Mapping[str, float]) -> None:
        """Wait for these symbols from now on, and for no other."""
        self._add(enter)
        self._steps.expect(tuple(enter))
        for symbol, score in enter.items():
            self._enter[self._columns[symbol]] = score

    def _add(self, symbols: Iterable[str]) -> None:
        """Give each symbol that is new a column; while nobody expects it, it exceeds nothing."""
        self._steps.add(symbols)
        names = self._steps.symbols
        self._columns = {symbol: at for at, symbol in enumerate(names)}
        self._residuals.widen(len(names))
        self._enter = np.append(self._enter, np.full(len(names) - len(self._enter), np.inf))

    def retune(self, detector: DetectorConfig) -> None:
        """Take other rules for episodes of the market."""
        self._series.retune(detector)

    def push(
        self, bars: pl.DataFrame, features: pl.DataFrame, alerts: pl.DataFrame, now_us: int
    ) -> CrossSectionResult:
        """Take in what is told of symbols, also of those that nobody expects yet.

        A coordinator that was restarted hears of markets that entered later before it is told that
        they did.

        Args:
            bars: BARS that are new or restated.
            features: Row for row, the features.
            alerts: ALERTS of the symbols.
            now_us: A clock of whoever calls; it matters at the start only.
        """
        told_of = (*bars["symbol"].unique(maintain_order=True), *alerts["symbol"])
        if any(symbol not in self._columns for symbol in told_of):
            self._add(dict.fromkeys(told_of))
        told = self._folding.tell(alerts)
        return self._result(told, self._steps.push(bars, features, now_us))

    def finish(self) -> CrossSectionResult:
        """Take it that no more rows will come."""
        return self._result(ALERTS.to_frame(), self._steps.finish())

    def _result(self, told: pl.DataFrame, taken: Iterable[Steps]) -> CrossSectionResult:
        market, residuals, alerts = [_NO_MARKET], [_NO_RESIDUALS], [told]
        for steps in taken:
            rows = self._series.push(steps)
            self._correlations.push(steps)
            residual = self._residuals.push(steps.scores, rows.median)
            own = self._alerts.push(rows, steps.scores, self._enter)
            waves = self._alerts.waves
            folded = self._folding.decide(rows.end_us, steps.scores, residual, self._columns, waves)
            alerts += [folded, own]
            market.append(self._market(steps, rows))
            residuals.append(_residuals(self._steps.symbols, steps.open_us, residual))
        if len(market) == 1:
            return CrossSectionResult(_NO_MARKET, _NO_RESIDUALS, told)
        return CrossSectionResult(pl.concat(market), pl.concat(residuals), pl.concat(alerts))

    def _market(self, steps: Steps, rows: MarketRows) -> pl.DataFrame:
        scored = np.count_nonzero(~np.isnan(steps.scores), axis=1)
        exceeds = steps.scores * rows.direction[:, None] >= self._enter
        with np.errstate(invalid="ignore"):
            share = exceeds.sum(axis=1) / scored
        share[np.isnan(rows.score)] = np.nan
        return pl.DataFrame(
            [
                pl.Series("open_time", steps.open_us).cast(TIME),
                pl.Series("log_return", rows.log_return, nan_to_null=True),
                pl.Series("close", rows.close, nan_to_null=True),
                pl.Series("members", rows.members, dtype=pl.Int32),
                pl.Series("trades", steps.trades).replace(-1, None),
                pl.Series("market_score", rows.score, nan_to_null=True),
                pl.Series("direction", rows.direction),
                pl.Series("median_score", rows.median, nan_to_null=True),
                pl.Series("exceeding_frac", share, nan_to_null=True),
            ]
        )


def _residuals(
    symbols: Sequence[str], open_us: NDArray[np.int64], residual: NDArray[np.float64]
) -> pl.DataFrame:
    """Return RESIDUALS."""
    step, column = np.nonzero(~np.isnan(residual))
    return pl.DataFrame(
        [
            pl.Series("symbol", symbols, dtype=pl.String)[column],
            pl.Series("open_time", open_us[step]).cast(TIME),
            pl.Series("residual_score", residual[step, column]),
        ]
    )
