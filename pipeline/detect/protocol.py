"""The seam of detectors: which rolling sums they need, and the score they make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.snapshot import Stage
    from pipeline.windows import RollingSum, Samples, Trim, WindowColumns


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
    """Scores the newest sample of every symbol of a shard against those before it.

    Each symbol is judged by itself, and its scores depend on its rows alone, however they are cut
    into calls.
    """

    @property
    def name(self) -> str:
        """The name a configuration uses."""

    @property
    def trims(self) -> Sequence[Trim] | None:
        """Symbol by symbol, the outliers of sums of `trimmed_squares`; null without."""

    @property
    def stages(self) -> Mapping[str, Stage]:
        """What it knows of symbols beside the sums, by name; may be empty."""

    def sums(self) -> Sequence[Sequence[RollingSum]]:
        """Return, per symbol, the sums `score` reads: of the same kinds for each symbol."""

    def score(self, samples: Samples, columns: WindowColumns, first: int) -> Scores:
        """Return the scores of pushed rows.

        Args:
            samples: What was pushed; the time of a sample is the end of its grid step.
            columns: What the windows held after each row.
            first: Where this detector's sums start in `columns`.
        """


@dataclass(frozen=True, slots=True)
class DetectorKind:
    """A detector that a configuration can name.

    Attributes:
        name: In the configuration, and in alerts.
        build: Takes the settings of each symbol and the grid step, null where every trade is a
            sample; returns the detector of these symbols, or raises ValueError for bad settings.
    """

    name: str
    build: Callable[[Sequence[Mapping[str, Any]], int | None], Detector]


def detector(name: str) -> Callable[[Callable[..., Detector]], DetectorKind]:
    """Make a kind of detector of a function; see `docs/detection.md`."""
    return lambda build: DetectorKind(name, build)
