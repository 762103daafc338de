"""The classic detector: the newest return against the mean and deviation of those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.compiled import compiled
from pipeline.detect.protocol import Scores
from pipeline.windows import RollingSum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.snapshot import Stage
    from pipeline.windows import Samples, WindowColumns


class ZScore:
    """|r - mean| / std, both of the samples before r (sample standard deviation, n - 1).

    No score where the window is not full, has too few valid samples, or an incomplete bar is in it
    or tested; and none where it is flat, for then there is no scale to judge by. Excluding r
    matters: a score that includes its own return cannot exceed (n - 1) / sqrt(n).
    """

    name = "zscore"
    trims = None

    def __init__(self, window: Sequence[int]) -> None:
        """Judge symbol by symbol with windows of so many samples."""
        self._window = np.array(window, dtype=np.int64)
        self.stages: Mapping[str, Stage] = {}

    def sums(self) -> list[list[RollingSum]]:
        """Return two sums a symbol, over the window that ends just before the newest sample."""
        lengths = self._window.tolist()
        return [
            [RollingSum("returns", length, lag=1), RollingSum("deviations", length, lag=1)]
            for length in lengths
        ]

    def score(self, samples: Samples, columns: WindowColumns, first: int) -> Scores:
        """Return the scores of pushed rows; see the protocol."""
        r, n, total = columns.log_return, columns.terms[first], columns.values[first]
        length = self._window[samples.symbol_index]
        score, direction = np.empty(len(r)), np.empty(len(r), dtype=np.int8)
        _judge(r, columns.sound, length, n, total, columns.values[first + 1], score, direction)
        return Scores(
            score=score,
            direction=direction,
            move_bp=r * 1e4,
            horizon_steps=np.ones(len(r), dtype=np.int64),
            samples=n,
            window_steps=length,
        )


@dataclass(frozen=True, slots=True)
class JudgedReturn:
    """What a score is made of, in basis points: |move - mean| / deviation.

    Attributes:
        move_bp: The tested return.
        mean_bp: Of the returns before it.
        deviation_bp: Likewise, the sample standard deviation.
        samples: How many these are.
    """

    move_bp: float
    mean_bp: float
    deviation_bp: float
    samples: int


def judged_return(columns: WindowColumns, row: int) -> JudgedReturn:
    """Return what the score of a row is made of.

    Args:
        columns: Of windows with the sums of one `ZScore`, and no others.
        row: With a score.
    """
    samples = int(columns.terms[0, row])
    return JudgedReturn(
        move_bp=float(columns.log_return[row]) * 1e4,
        mean_bp=float(columns.values[0, row]) / samples * 1e4,
        deviation_bp=float(np.sqrt(columns.values[1, row] / (samples - 1))) * 1e4,
        samples=samples,
    )


@compiled(
    "void(float64[::1], int32[::1], int64[::1], int32[::1], float64[::1], float64[::1],"
    " float64[::1], int8[::1])"
)
def _judge(  # noqa: PLR0913, PLR0917 - compiled: the signature has the types
    log_return: Any,  # noqa: ANN401 - as above
    sound: Any,  # noqa: ANN401
    length: Any,  # noqa: ANN401
    terms: Any,  # noqa: ANN401
    total: Any,  # noqa: ANN401
    deviations: Any,  # noqa: ANN401
    score: Any,  # noqa: ANN401
    direction: Any,  # noqa: ANN401
) -> None:
    """Write the score and the sign of each return."""
    for row in range(len(log_return)):
        r, n = log_return[row], max(terms[row], 2)
        mean = total[row] / n
        # What rounding leaves of a constant return is no scale.
        varies = deviations[row] > 1e-14 * (deviations[row] + total[row] * mean)
        judged = varies and sound[row] > length[row]
        score[row] = abs(r - mean) / np.sqrt(deviations[row] / (n - 1)) if judged else np.nan
        direction[row] = (1 if r > 0.0 else 0) - (1 if r < 0.0 else 0)
