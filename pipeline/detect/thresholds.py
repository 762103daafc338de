"""The scores that make an episode: fixed ones, or those in force that a budget has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.detect.config import EpisodesConfig


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scores of an episode: as they were when it started, for as long as it lasts.

    Attributes:
        enter: From which it starts.
        exit: Below which it may end.
        major: From which its peak is called so.
        critical: Likewise.
    """

    enter: float
    exit: float
    major: float
    critical: float


def thresholds_of(config: EpisodesConfig, in_force: NDArray[np.float64]) -> Thresholds:
    """Return the thresholds of a symbol.

    Args:
        config: Says how far `exit` is below `enter`.
        in_force: Minor, major, critical.
    """
    enter, major, critical = in_force.tolist()
    is_fixed = enter == config.enter  # to the bit: no rounding of a ratio
    exit_ = config.exit if is_fixed else enter * (config.exit / config.enter)
    return Thresholds(enter, exit_, major, critical)


def severity_of(score: float, thresholds: Thresholds) -> str:
    """Return the highest name whose score is reached; `minor` is the lowest."""
    if score >= thresholds.critical:
        return "critical"
    return "major" if score >= thresholds.major else "minor"
