"""The classic detector: the newest return against the mean and deviation of those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.protocol import Scores
from pipeline.windows import ENOUGH, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.windows import WindowColumns


class ZScore:
    """|r - mean| / std, both of the samples before r (sample standard deviation, n - 1).

    No score where the window is not full, has too few valid samples, or an incomplete bar is in it
    or tested; and none where it is flat, for then there is no scale to judge by. Excluding r
    matters: a score that includes its own return cannot exceed (n - 1) / sqrt(n).
    """

    name = "zscore"

    def __init__(self, window: Sequence[int]) -> None:
        """Judge symbol by symbol with windows of so many samples."""
        self._window = np.array(window, dtype=np.int64)

    def windows(self) -> list[list[Window]]:
        """Return one window a symbol, ending just before the newest sample."""
        return [[Window(int(length), lag=1)] for length in self._window]

    def score(
        self, symbol_index: NDArray[np.int32], columns: WindowColumns, first_window: int
    ) -> Scores:
        """Return the scores of pushed rows; see the protocol."""
        at = first_window
        r, n = columns.log_return, columns.samples[:, at]
        total, squares = columns.total[:, at], columns.squares[:, at]
        length = self._window[symbol_index]
        whole = columns.whole[:, at] & columns.complete
        enough = columns.filled[:, at] & whole & (n >= ENOUGH * length)
        count = np.where(enough, n, 2)
        mean = total / count
        variance = (squares - total * mean) / (count - 1)
        # What rounding leaves of a constant return is no scale.
        flat = variance <= 1e-14 * squares / count
        scored = enough & ~flat & ~np.isnan(r)
        scale = np.sqrt(np.where(scored, variance, 1.0))
        score = np.where(scored, np.abs(r - mean) / scale, np.nan)
        return Scores(
            score=score,
            direction=np.sign(np.nan_to_num(r)).astype(np.int8),
            move_bp=r * 1e4,
            horizon_steps=np.ones(len(r), dtype=np.int64),
            samples=n,
            window_steps=length,
        )
