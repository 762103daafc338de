"""How often alarms came against how often they were meant to: budgets on recorded months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.durations import DAY
from pipeline.evaluation.trade_off import scored_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.detect.config import DetectorConfig
    from pipeline.evaluation.klines import KlinesRun

SEVERITIES = ("minor", "major", "critical")


def budget_use(run: KlinesRun, detector: DetectorConfig) -> dict[str, Any]:
    """Return what became of a symbol's budget, from when thresholds found by it were in force.

    The row has `days` (judged since then, zero if never), and by severity `alerts` (of that one or
    worse), `per_day`, `times_budget` and `threshold` (at the end); rates are null without a day.

    Args:
        run: Of a file, with that detector.
        detector: With a budget.
    """
    assert detector.budget is not None  # noqa: S101 - it is said to have one
    in_force = scored_rows(run, detector).in_force
    fixed = [detector.enter, detector.severity.major, detector.severity.critical]
    began = (in_force != fixed).any(axis=1)
    days = int(np.count_nonzero(began & ~np.isnan(run.score))) * run.every_us / DAY
    starts = np.searchsorted(run.end_us, run.alerts["start_time"].to_physical().to_numpy())
    ranks = np.array([SEVERITIES.index(name) for name in run.alerts["severity"]], dtype=np.int64)
    counts = [int(np.count_nonzero(began[starts] & (ranks >= rank))) for rank in range(3)]
    rates = [getattr(detector.budget, name).per_day for name in SEVERITIES]
    per_day = [count / days if days else None for count in counts]
    return {
        "days": days,
        "alerts": dict(zip(SEVERITIES, counts, strict=True)),
        "per_day": dict(zip(SEVERITIES, per_day, strict=True)),
        "times_budget": {
            name: None if one is None else one / rate
            for name, one, rate in zip(SEVERITIES, per_day, rates, strict=True)
        },
        "threshold": dict(zip(SEVERITIES, in_force[-1].tolist(), strict=True)),
    }


def budget_summary(uses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return of the budgets of several files: by severity, the mean rate over budget, the extremes.

    The row has `files` (of which any day counts), `days` (of all), and by severity `mean` (of
    `times_budget` over these files), `least` and `most`; null without a file.
    """
    known = [use for use in uses if use["days"]]
    by_severity: dict[str, dict[str, float]] | None = None
    if known:
        times = {name: [use["times_budget"][name] for use in known] for name in SEVERITIES}
        by_severity = {
            name: {"mean": sum(some) / len(some), "least": min(some), "most": max(some)}
            for name, some in times.items()
        }
    return {
        "files": len(known),
        "days": sum(use["days"] for use in known),
        "times_budget": by_severity,
    }
