"""How often alarms came against how often they were meant to: budgets on recorded months."""

from __future__ import annotations

from math import exp, lgamma, log
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.durations import DAY
from pipeline.evaluation.trade_off import scored_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.detect.config import BudgetConfig, DetectorConfig
    from pipeline.evaluation.klines import KlinesRun

SEVERITIES = ("minor", "major", "critical")

#: A symbol is beyond its budget with more than so many times as many alarms, or that part of it.
FACTOR = 4.0


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


def budgets_by_symbol(
    uses: Iterable[tuple[str, Mapping[str, Any]]], budget: BudgetConfig
) -> dict[str, Any]:
    """Return what became of the budget of each symbol, over all of its files together.

    The row has `symbols`, by name: `files` and `days`, and by severity `alerts`, `expected` (the
    budget of so many days) and `times_budget`; of those with a day. And `times_budget` over them,
    null without any, by severity: `mean`, `least`, `most`; `beyond`, the names of those with more
    than FACTOR times their budget or less than that part of it; and `beyond_by_chance`, how many of
    them there would be on average if alarms came at these rates, each by itself.

    Args:
        uses: What `budget_use` says of each file, with its symbol.
        budget: That they were run with.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for symbol, use in uses:
        if use["days"]:
            grouped.setdefault(symbol, []).append(use)
    symbols = {symbol: _together(grouped[symbol], budget) for symbol in sorted(grouped)}
    by_severity = {name: _over_symbols(symbols, name) for name in SEVERITIES} if symbols else None
    return {"symbols": symbols, "times_budget": by_severity}


def _together(uses: Sequence[Mapping[str, Any]], budget: BudgetConfig) -> dict[str, Any]:
    """Return the row of a symbol."""
    days = sum(use["days"] for use in uses)
    alerts = {name: sum(use["alerts"][name] for use in uses) for name in SEVERITIES}
    expected = {name: getattr(budget, name).per_day * days for name in SEVERITIES}
    return {
        "files": len(uses),
        "days": days,
        "alerts": alerts,
        "expected": expected,
        "times_budget": {name: alerts[name] / expected[name] for name in SEVERITIES},
    }


def _over_symbols(symbols: Mapping[str, Mapping[str, Any]], severity: str) -> dict[str, Any]:
    """Return the row of a severity."""
    times = {name: row["times_budget"][severity] for name, row in symbols.items()}
    return {
        "mean": sum(times.values()) / len(times),
        "least": min(times.values()),
        "most": max(times.values()),
        "beyond": [name for name, one in times.items() if not 1 / FACTOR <= one <= FACTOR],
        "beyond_by_chance": sum(
            chance_beyond(row["expected"][severity]) for row in symbols.values()
        ),
    }


def chance_beyond(expected: float) -> float:
    """Return how likely a Poisson count is beyond FACTOR times what is expected, or that part."""
    within = range(int(np.ceil(expected / FACTOR)), int(FACTOR * expected) + 1)
    return 1.0 - sum(exp(count * log(expected) - expected - lgamma(count + 1)) for count in within)
