"""A detector as a user would add it: the newest return over the mean size of those before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.detect.protocol import Scores, detector
from pipeline.snapshot import Stage
from pipeline.windows import RollingSum, Samples, WindowColumns


class Loudness:
    name = "loudness"
    trims = None

    def __init__(self, windows: Sequence[int]) -> None:
        if min(windows) < 2:
            raise ValueError(f"expected a window of two or more, found {min(windows)}")
        self._windows = np.array(windows, dtype=np.int64)
        self.stages: Mapping[str, Stage] = {}

    def sums(self) -> list[list[RollingSum]]:
        return [[RollingSum("squares", length, lag=1)] for length in self._windows.tolist()]

    def score(self, samples: Samples, columns: WindowColumns, first: int) -> Scores:
        window = self._windows[samples.symbol_index]
        terms, r = columns.terms[first], columns.log_return
        scale = np.sqrt(columns.values[first] / np.maximum(terms, 1))
        judged = (columns.sound > window) & (scale > 0.0)
        score = np.full(len(r), np.nan)
        score[judged] = np.abs(r[judged]) / scale[judged]
        return Scores(
            score=score,
            direction=np.sign(np.nan_to_num(r)).astype(np.int8),
            move_bp=r * 1e4,
            horizon_steps=np.ones(len(r), dtype=np.int64),
            samples=terms,
            window_steps=window,
        )


@detector("loudness")
def loudness(settings: Sequence[Mapping[str, int]], every_us: int | None) -> Loudness:
    del every_us
    return Loudness([one.get("window", 30) for one in settings])
