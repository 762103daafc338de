"""Steps of the market as the detector takes them: its rules, and rows without a hole in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.config import MultiHorizonConfig
from pipeline.marks import NEVER
from pipeline.windows import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.config_sections import SamplingConfig
    from pipeline.detect.config import DetectorConfig


def market_detector(config: DetectorConfig) -> DetectorConfig:
    """Return what the market is judged by: as symbols are, but `tick` is that of a price."""
    if isinstance(config, MultiHorizonConfig):
        return config.model_copy(update={"tick": 0.0})
    return config


class MarketSamples:
    """Steps of the market -> samples of its index, block by block.

    A step that nobody told is a sample without a price and without trades. Every sample is
    complete: an incomplete bar had no part in its step.

    Args:
        config: Of the detector.
        sampling: The grid.
    """

    def __init__(self, config: DetectorConfig, sampling: SamplingConfig) -> None:
        assert sampling.step_us is not None  # noqa: S101 - without a grid there is no market
        self._every_us = sampling.step_us
        # After so long without a price nothing before it matters.
        steps = config.reach_us(self._every_us, sampling.forward_fill) // self._every_us
        self._reach_us = steps * self._every_us
        self._end_us = NEVER

    def push(
        self, end_us: NDArray[np.int64], close: NDArray[np.float64], trades: NDArray[np.int64]
    ) -> tuple[Samples, NDArray[np.intp]]:
        """Return the samples of steps that follow those before, and which of them were told.

        Args:
            end_us: When each step ends; rising.
            close: The index; NaN without a return.
            trades: Of its members; -1 where no count is known.
        """
        all_us = self._with_gaps(end_us)
        place = np.searchsorted(all_us, end_us)
        closes, counts = np.full(len(all_us), np.nan), np.zeros(len(all_us), dtype=np.int64)
        closes[place], counts[place] = close, trades
        index = np.zeros(len(all_us), dtype=np.int32)
        complete = np.ones(len(all_us), dtype=np.bool_)
        return Samples(index, all_us, closes, complete, counts), place

    def _with_gaps(self, end_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the steps with those that nobody told."""
        whole: list[int] = []
        for now_us in end_us.tolist():
            since_us = now_us
            if self._end_us != NEVER:
                since_us = max(self._end_us + self._every_us, now_us - self._reach_us)
            whole += range(since_us, now_us + 1, self._every_us)
            self._end_us = now_us
        return np.array(whole, dtype=np.int64)
