"""The scores that make an episode: fixed ones, or those in force that a budget has found."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


def thresholds_of(
    config: EpisodesConfig, in_force: NDArray[np.float64] | None = None
) -> Thresholds:
    """Return the thresholds of a symbol.

    Args:
        config: Has the fixed ones, and how far `exit` is below `enter`.
        in_force: Minor, major, critical; null for the fixed ones.
    """
    severity = config.severity
    fixed = Thresholds(config.enter, config.exit, severity.major, severity.critical)
    if in_force is None:
        return fixed
    enter, major, critical = in_force.tolist()
    if enter == config.enter:  # to the bit: no rounding of a ratio
        return replace(fixed, major=major, critical=critical)
    return Thresholds(enter, enter * (config.exit / config.enter), major, critical)


def severity_of(score: float, thresholds: Thresholds) -> str:
    """Return the highest name whose score is reached; `minor` is the lowest."""
    if score >= thresholds.critical:
        return "critical"
    return "major" if score >= thresholds.major else "minor"
