"""The product's detector: returns over several horizons, on a clock that suits the symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.held_scores import HeldScores
from pipeline.detect.horizons import floor_of, horizon_scores, horizon_sums
from pipeline.detect.protocol import Scores
from pipeline.detect.stretch import Stretch, levels_of
from pipeline.windows import Samples, Trim, Windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.detect.config import MultiHorizonConfig
    from pipeline.detect.stretch import CoarseSamples
    from pipeline.snapshot import Stage
    from pipeline.windows import RollingSum, WindowColumns

#: The share of a window's returns that must be known for it to be a scale.
KNOWN = 0.2


class MultiHorizon:
    """The largest of several returns, each against the scale of those before it.

    See `pipeline.detect.horizons` for the score and `pipeline.detect.stretch` for the clock. There
    is no score while a window is not full or an incomplete bar is in it, nor after a hole in the
    prices for as long as the longest horizon. Between the samples of a stretched symbol the newest
    score goes on.

    Args:
        configs: Symbol by symbol; the horizons are the same for all.
        every_us: The grid step.
        forward_fill_us: How long a price stays valid without a trade.
    """

    name = "multi_horizon"

    def __init__(
        self, configs: Sequence[MultiHorizonConfig], *, every_us: int, forward_fill_us: int
    ) -> None:
        self._horizons = [horizon // every_us for horizon in configs[0].horizons]
        self._windows = np.array([config.window // every_us for config in configs])
        self.trims = [
            Trim(each.winsor, each.floor_bp * 1e-4, 0.0 if each.tick is None else each.tick)
            for each in configs
        ]
        self._floor = np.array([[trim.floor, trim.tick / 2] for trim in self.trims])
        # The oldest return of the scale of the longest horizon, and the tested one itself.
        self._reach = self._windows + 2 * self._horizons[-1]
        self._stretch = _stretch_of(configs, every_us, forward_fill_us)
        levels = levels_of(max(config.window for config in configs))
        self._coarse = [Windows(self.sums(), trims=self.trims) for _ in range(1, levels)]
        coarse = {f"windows_x{2**at}": windows for at, windows in enumerate(self._coarse, start=1)}
        self._held = HeldScores(len(configs), every_us=every_us)
        self.stages: Mapping[str, Stage] = {
            "stretch": self._stretch,
            "held": self._held,
            **coarse,
        }

    def sums(self) -> list[list[RollingSum]]:
        """Return three sums a horizon; see the protocol."""
        return [
            horizon_sums(self._horizons, length, need=max(1, int(length * KNOWN)))
            for length in self._windows.tolist()
        ]

    def score(self, samples: Samples, columns: WindowColumns, first: int) -> Scores:
        """Return the scores of pushed rows; see the protocol."""
        coarse = self._stretch.push(samples)
        index = samples.symbol_index
        scores = self._judge(index, samples.close, columns, first)
        other = coarse.level > 0
        scores.score[other], scores.direction[other] = np.nan, 0
        for at, windows in enumerate(self._coarse):
            rows = coarse.rows[at]
            if not len(rows):
                continue
            ended = _ended(samples, coarse, at)
            stretched = windows.push(ended)
            mine = np.flatnonzero(coarse.level[rows] == at + 1)
            if len(mine):
                found = self._judge(ended.symbol_index, ended.close, stretched, 0)
                _put(scores, rows[mine], found, mine, 2 << at)
        return self._held.fill(index, samples.time_us, coarse.level, scores)

    def _judge(
        self,
        index: NDArray[np.int32],
        close: NDArray[np.float64],
        columns: WindowColumns,
        first: int,
    ) -> Scores:
        """Return the scores of the samples of one grid, in its steps."""
        floor = np.maximum(self._floor[index, 0], self._floor[index, 1] / close)
        signed, which = horizon_scores(columns, self._horizons, floor, first)
        signed[columns.sound < self._reach[index]] = np.nan
        rows = np.arange(len(index))
        return Scores(
            score=np.abs(signed),
            direction=np.sign(np.nan_to_num(signed)).astype(np.int8),
            move_bp=columns.values[first + 3 * which, rows] * 1e4,
            horizon_steps=np.array(self._horizons, dtype=np.int64)[which],
            samples=columns.terms[first + 3 * which + 2, rows].astype(np.int64),
            window_steps=self._windows[index],
        )


@dataclass(frozen=True, slots=True)
class JudgedHorizon:
    """One of the returns that a score is the largest of.

    Attributes:
        horizon_us: What it spans, stretched.
        move_bp: The return, in basis points.
        scale_bp: What it is measured by, floored.
        raw_scale_bp: The same with outliers and without floor: the root mean square of the window.
        samples: Known returns in the window.
        score: move / scale.
        window_start_us: Exclusive.
        window_end_us: Inclusive.
    """

    horizon_us: int
    move_bp: float
    scale_bp: float
    raw_scale_bp: float
    samples: int
    score: float
    window_start_us: int
    window_end_us: int


def judged_horizons(
    config: MultiHorizonConfig, samples: Samples, row: int, *, every_us: int, forward_fill_us: int
) -> tuple[JudgedHorizon, ...]:
    """Return what the score of a row is made of.

    Args:
        config: Of the one symbol.
        samples: Its samples, from the first one on.
        row: Which of them.
        every_us: The grid step.
        forward_fill_us: How long a price stays valid without a trade.
    """
    detector = MultiHorizon([config], every_us=every_us, forward_fill_us=forward_fill_us)
    coarse = _stretch_of([config], every_us, forward_fill_us).push(samples)
    level = int(coarse.level[row])
    if level:
        row = int(np.searchsorted(coarse.rows[level - 1], row, "right")) - 1
        samples = _ended(samples, coarse, level - 1)
    columns = Windows(detector.sums(), trims=detector.trims).push(samples)
    values, terms = columns.values[:, row], columns.terms[:, row]
    floor = float(floor_of(detector.trims[0], samples.close[row : row + 1])[0])
    found = []
    for at, horizon_us in enumerate(config.horizons):
        move, squares, trimmed = values[3 * at : 3 * at + 3]
        known = max(int(terms[3 * at + 2]), 1)
        scale = float(np.sqrt(max(trimmed / known, floor * floor)))
        end_us = int(samples.time_us[row]) - (horizon_us << level)
        found.append(
            JudgedHorizon(
                horizon_us=horizon_us << level,
                move_bp=float(move) * 1e4,
                scale_bp=scale * 1e4,
                raw_scale_bp=float(np.sqrt(squares / known)) * 1e4,
                samples=int(terms[3 * at + 2]),
                score=abs(float(move)) / scale,
                window_start_us=end_us - (config.window << level),
                window_end_us=end_us,
            )
        )
    return tuple(found)


def _stretch_of(
    configs: Sequence[MultiHorizonConfig], every_us: int, forward_fill_us: int
) -> Stretch:
    return Stretch(
        len(configs),
        levels_of(max(config.window for config in configs)),
        every_us=every_us,
        forward_fill_us=forward_fill_us,
        horizon_us=configs[0].horizons[0],
    )


def _ended(samples: Samples, coarse: CoarseSamples, at: int) -> Samples:
    """Return the samples of a coarser grid, the first of which is number 0."""
    rows = coarse.rows[at]
    return Samples(
        samples.symbol_index[rows],
        samples.time_us[rows],
        coarse.close[at],
        coarse.complete[at],
        np.full(len(rows), -1, dtype=np.int64),
    )


def _put(
    scores: Scores, rows: NDArray[np.int64], found: Scores, taken: NDArray[np.intp], stretch: int
) -> None:
    """Write some of the scores of a coarser grid in the rows where its samples ended."""
    scores.score[rows] = found.score[taken]
    scores.direction[rows] = found.direction[taken]
    scores.move_bp[rows] = found.move_bp[taken]
    scores.horizon_steps[rows] = found.horizon_steps[taken] * stretch
    scores.samples[rows] = found.samples[taken]
    scores.window_steps[rows] = found.window_steps[taken] * stretch
