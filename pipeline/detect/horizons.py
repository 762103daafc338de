"""The multi-horizon return score: the largest of several returns against their own past scale.

For each horizon h: z = r_h / sqrt(max(v, floor^2)), where r_h is the return over the newest h steps
and v the mean of r_h^2 over the window that ends h steps ago, so that the tested return is not
judged by itself. In it a return beyond so many root mean squares of the window before it is an
outlier, and counts as one of them: a jump does not blind the score to the next. (Hampel's
identifier, 1974. Winsorising, which leaves an outlier at the limit, found fewer second jumps at
more false alarms; see the ablation in docs/detection.md.) The score is the largest |z|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import float64, int32, int64, void

from pipeline.compiled import compiled
from pipeline.windows import RollingSum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.windows import Trim, WindowColumns


def horizon_sums(horizons: Sequence[int], window: int, need: int) -> list[RollingSum]:
    """Return the sums of the score, three a horizon: tested return, scale with outliers, scale.

    Args:
        horizons: In samples.
        window: Samples in the window of a scale.
        need: Known returns without which a scale is unknown.
    """
    return [
        one
        for horizon in horizons
        for one in (
            RollingSum("returns", horizon, need=horizon),
            RollingSum("squares", window, lag=horizon, horizon=horizon, need=need),
            RollingSum("trimmed_squares", window, lag=horizon, horizon=horizon, need=need),
        )
    ]


def horizon_scores(
    columns: WindowColumns,
    horizons: Sequence[int],
    floor: NDArray[np.float64],
    first: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the signed score of each row, and which of the horizons it is of.

    The score is NaN where any horizon cannot be judged, so that it always is the largest of as
    many: after a hole in the prices that is so for the longest horizon. Ties go to the shorter one.

    Args:
        columns: Of windows whose sums from `first` on are those of `horizon_sums`.
        horizons: In samples, ascending.
        floor: The least scale, row by row; see `floor_of`.
        first: Where the sums start.
    """
    best = np.empty(len(columns.log_return))
    which = np.empty(len(best), dtype=np.int64)
    _judge(columns.values, columns.terms, floor, first, len(horizons), best, which)
    return best, which


def floor_of(trim: Trim, close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least scale row by row: the floor, and half a tick of the price."""
    return np.maximum(trim.floor, trim.tick / 2 / close)


@compiled(
    void(float64[:, ::1], int32[:, ::1], float64[::1], int64, int64, float64[::1], int64[::1])
)
def _judge(
    values: Any,  # noqa: ANN401 - as above
    terms: Any,  # noqa: ANN401
    floor: Any,  # noqa: ANN401
    first: Any,  # noqa: ANN401
    horizons: Any,  # noqa: ANN401
    best: Any,  # noqa: ANN401
    which: Any,  # noqa: ANN401
) -> None:
    for row in range(len(best)):
        best[row], which[row] = 0.0, 0
        for at in range(horizons):
            tested, scale = first + 3 * at, first + 3 * at + 2
            mean = values[scale, row] / max(terms[scale, row], 1)
            if np.isnan(values[tested, row]) or np.isnan(mean):
                best[row] = np.nan
                break
            z = values[tested, row] / np.sqrt(max(mean, floor[row] * floor[row]))
            if abs(z) > abs(best[row]):
                best[row], which[row] = z, at
