"""All symbols as one: the mean of their returns, through the detector of every symbol."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.episodes import Episodes, ScoredRows
from pipeline.detect.registry import detector_of
from pipeline.detect.spot import Spot
from pipeline.market_samples import MarketSamples, market_detector
from pipeline.schema import MARKET_SYMBOL
from pipeline.window_tapes import MISSING, UNIT
from pipeline.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.config_sections import SamplingConfig
    from pipeline.detect.config import DetectorConfig
    from pipeline.detect.episodes import Episode
    from pipeline.market_steps import Steps


@dataclass(frozen=True, slots=True)
class MarketRows:
    """What the steps of the market say, one row a step.

    Attributes:
        end_us: When a step ends.
        log_return: Of the market; NaN with too few members.
        close: The index, 1 before the first return; NaN with too few members.
        members: Symbols with a return.
        score: The detector's, never negative; NaN where unknown.
        direction: The sign of the tested return.
        median: Of the symbols' signed scores; NaN where fewer than enough are known.
        episodes: That started, rose or ended, each in its last state.
    """

    end_us: NDArray[np.int64]
    log_return: NDArray[np.float64]
    close: NDArray[np.float64]
    members: NDArray[np.int64]
    score: NDArray[np.float64]
    direction: NDArray[np.int8]
    median: NDArray[np.float64]
    episodes: list[Episode]


class MarketSeries:
    """An index whose every return is the mean of the members' returns, and its episodes.

    Returns are added as integers, so the order of symbols does not matter, and averaged, so that
    one that joins or leaves makes no jump. A symbol counts in the steps of which its return is
    known. An episode starts only where the symbols agree: the median of their signed scores is at
    `exit` or beyond, the same way. Else one coin that runs away would be the market.

    Args:
        config: Of the detector of symbols. Its `tick` is that of a price, and does not hold here.
        plugins: Modules that may have it.
        sampling: The grid.
        min_symbols: Fewer members make no return, and fewer scores no median.
    """

    def __init__(
        self,
        config: DetectorConfig,
        plugins: Sequence[str],
        sampling: SamplingConfig,
        min_symbols: int,
    ) -> None:
        assert sampling.step_us is not None  # noqa: S101 - without a grid there is no market
        config = market_detector(config)
        self._every_us = sampling.step_us
        self._min_symbols = min_symbols
        self._exit = config.exit
        self._samples = MarketSamples(config, sampling)
        self._detector = detector_of([config], plugins, sampling)
        self._windows = Windows(self._detector.sums(), trims=self._detector.trims)
        self._spot = Spot([config], every_us=self._every_us)
        self._episodes = Episodes(
            [MARKET_SYMBOL],
            [config],
            every_us=self._every_us,
            forward_fill_us=sampling.forward_fill,
        )
        self._level = 0  # the sum of all returns so far, in units

    def retune(self, config: DetectorConfig) -> None:
        """Take other rules for episodes; see `Episodes.retune`."""
        self._exit = config.exit
        self._spot.retune([config])
        self._episodes.retune([config])

    @property
    def detector(self) -> str:
        """The name of the detector."""
        return self._detector.name

    def push(self, steps: Steps) -> MarketRows:
        """Advance by steps that follow those before in time."""
        end_us = steps.open_us + self._every_us
        known = steps.returns != MISSING
        means = _means(steps.returns, known, self._min_symbols)
        medians = _medians(steps.scores, self._min_symbols)
        closes = np.array(self._closes(means))
        samples, place = self._samples.push(end_us, closes, steps.trades)
        median = np.full(len(samples.close), np.nan)
        median[place] = medians
        columns = self._windows.push(samples)
        scores = self._detector.score(samples, columns, 0)
        in_force = self._spot.push(samples.symbol_index, samples.time_us, scores)
        agrees = (np.abs(median) >= self._exit) & (np.sign(median) == scores.direction)
        in_force[~agrees, 0] = np.inf
        rows = ScoredRows(samples.symbol_index, samples.time_us, scores, in_force)
        episodes = self._episodes.push(rows)
        return MarketRows(
            end_us,
            np.array([np.nan if mean is None else mean * UNIT for mean in means]),
            closes,
            known.sum(axis=1),
            scores.score[place],
            scores.direction[place],
            medians,
            episodes,
        )

    def _closes(self, means: Sequence[int | None]) -> list[float]:
        """Return the index after each return; NaN where there is none."""
        closes = []
        for mean in means:
            self._level += mean or 0
            # One by one: of an array, the last digit may depend on how many are computed at once.
            closes.append(math.nan if mean is None else math.exp(self._level * UNIT))
        return closes


def _means(returns: NDArray[np.int64], known: NDArray[np.bool_], least: int) -> list[int | None]:
    """Return the mean of each row, rounded to a whole unit, halves up; null with too few terms."""
    means: list[int | None] = []
    for row, own in zip(returns, known, strict=True):
        terms = row[own].tolist()  # as Python's integers, which have no bounds
        count = len(terms)
        means.append((2 * sum(terms) + count) // (2 * count) if count >= least else None)
    return means


def _medians(scores: NDArray[np.float64], least: int) -> NDArray[np.float64]:
    """Return the median of each row's known scores; NaN with too few of them."""
    medians = np.full(len(scores), np.nan)
    enough = np.count_nonzero(~np.isnan(scores), axis=1) >= least
    if enough.any():
        medians[enough] = np.nanmedian(scores[enough], axis=1)
    return medians
