"""The seam of detectors: which rolling sums they need, and the score they make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.windows import RollingSum, WindowColumns


@dataclass(frozen=True, slots=True)
class Scores:
    """What a detector says of each row.

    Attributes:
        score: How unusual the tested return is, never negative; NaN where it cannot be judged.
        direction: The sign of the tested return: -1, 0, 1.
        move_bp: The tested return in basis points; NaN where there is none.
        horizon_steps: Grid steps the tested return spans.
        samples: Valid samples it was judged by.
        window_steps: Grid steps those samples span; they end where the tested return starts.
    """

    score: NDArray[np.float64]
    direction: NDArray[np.int8]
    move_bp: NDArray[np.float64]
    horizon_steps: NDArray[np.int64]
    samples: NDArray[np.int64]
    window_steps: NDArray[np.int64]


class Detector(Protocol):
    """Scores the newest sample of every symbol of a shard against those before it."""

    @property
    def name(self) -> str:
        """The name a configuration uses."""

    def sums(self) -> Sequence[Sequence[RollingSum]]:
        """Return, per symbol, the sums `score` reads: of the same kinds for each symbol."""

    def score(self, symbol_index: NDArray[np.int32], columns: WindowColumns, first: int) -> Scores:
        """Return the scores of pushed rows.

        Args:
            symbol_index: Row by row, the position of the symbol.
            columns: What the windows held after each row.
            first: Where this detector's sums start in `columns`.
        """
