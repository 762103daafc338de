"""A detector that judges nothing and needs no sums: what a flush costs without detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.detect.protocol import Detector, Scores, detector
from pipeline.snapshot import Stage
from pipeline.windows import RollingSum, Samples, Trim, WindowColumns


class _Silent:
    name = "none"
    trims: Sequence[Trim] | None = None

    def __init__(self, symbols: int) -> None:
        self.stages: Mapping[str, Stage] = {}
        self._symbols = symbols

    def sums(self) -> list[list[RollingSum]]:
        return [[] for _ in range(self._symbols)]

    def score(self, samples: Samples, _columns: WindowColumns, _first: int) -> Scores:
        rows = len(samples.close)
        unknown, none = np.full(rows, np.nan), np.zeros(rows, dtype=np.int64)
        return Scores(unknown, none.astype(np.int8), unknown, none, none, none)


@detector("none")
def none(settings: Sequence[Mapping[str, Any]], _every_us: int | None) -> Detector:
    """No detection."""
    return _Silent(len(settings))
