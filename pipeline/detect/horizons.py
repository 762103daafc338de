"""The multi-horizon return score: the largest of several returns against their own past scale.

For each horizon h: z = r_h / sqrt(max(v, floor^2)), where r_h is the return over the newest h steps
and v the mean of capped r_h^2 over the window that ends h steps ago, so that the tested return is
not judged by itself. A return is capped at so many root mean squares of the window before it: one
jump does not blind the score to the next. The score is the largest |z|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.windows import RollingSum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.windows import Cap, WindowColumns


def horizon_sums(horizons: Sequence[int], window: int, need: int) -> list[RollingSum]:
    """Return the sums of the score, three a horizon: tested return, scale of the cap, scale.

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
            RollingSum("capped_squares", window, lag=horizon, horizon=horizon, need=need),
        )
    ]


def horizon_scores(
    columns: WindowColumns,
    horizons: Sequence[int],
    floor: NDArray[np.float64] | float,
    first: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the signed score of each row, and which of the horizons it is of.

    The score is NaN where no horizon can be judged; ties go to the shorter horizon.

    Args:
        columns: Of windows whose sums from `first` on are those of `horizon_sums`.
        horizons: In samples, ascending.
        floor: The least scale; see `floor_of`.
        first: Where the sums start.
    """
    best = np.full(len(columns.log_return), np.nan)
    which = np.zeros(len(best), dtype=np.int64)
    for at in range(len(horizons)):
        tested = columns.values[first + 3 * at]
        mean = columns.values[first + 3 * at + 2] / np.maximum(columns.terms[first + 3 * at + 2], 1)
        z = tested / np.sqrt(np.maximum(mean, floor * floor))
        better = ~np.isnan(z) & ~(np.abs(z) <= np.abs(best))
        best[better], which[better] = z[better], at
    return best, which


def floor_of(cap: Cap, close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least scale row by row: the cap's floor, and half a tick of the price."""
    return np.maximum(cap.floor, cap.tick / 2 / close)
