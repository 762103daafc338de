"""What a symbol's score has beyond the market's part in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Steps after which what was counts half.
HALF_LIFE = 1800

#: A symbol goes with the market one to one, as if that were seen over so many steps of a median 1.
PRIOR = 100.0


class Residuals:
    """Residual scores z - b m: m is the median of the symbols' signed scores z.

    b is a symbol's own regression on the median through the origin, sum z m / sum m m over the
    steps before, exponentially weighted: the tested step has no part in it. A step without score or
    median changes nothing.

    Args:
        symbols: How many.
    """

    def __init__(self, symbols: int) -> None:
        self._sums = np.zeros((2, symbols))  # of z m, and of m m

    def widen(self, symbols: int) -> None:
        """Make room for so many symbols in all."""
        self._sums = np.hstack([self._sums, np.zeros((2, symbols - self._sums.shape[1]))])

    def push(self, scores: NDArray[np.float64], median: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual scores of steps, NaN where unknown, and learn from them.

        Args:
            scores: Signed, a row a step and a column a symbol.
            median: Of each row.
        """
        residuals = np.empty_like(scores)
        decay = 0.5 ** (1 / HALF_LIFE)
        for row, (z, m) in enumerate(zip(scores, median.tolist(), strict=True)):
            slope = (PRIOR + self._sums[0]) / (PRIOR + self._sums[1])
            residuals[row] = z - slope * m
            known = ~np.isnan(residuals[row])
            self._sums[:, known] *= decay
            self._sums[0, known] += z[known] * m
            self._sums[1, known] += m * m
        return residuals
