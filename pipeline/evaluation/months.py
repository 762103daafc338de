"""The report of `evaluate klines`: files, and what becomes of budgets and known events in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.detect.config import MultiHorizonConfig
from pipeline.evaluation.budgets import budget_summary, budget_use, budgets_by_symbol
from pipeline.evaluation.klines import report_of
from pipeline.evaluation.known_events import alert_rates, alerts_at_outages, events_found
from pipeline.evaluation.trade_off import budget_trade_off, trade_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import Config
    from pipeline.evaluation.klines import KlinesRun
    from pipeline.evaluation.known_events import Event

#: Where the report has what is of all files together.
ALL = "all"


def months_report(
    runs: Sequence[KlinesRun], config: Config, events: Sequence[Event] | None
) -> dict[str, dict[str, Any]]:
    """Return the report: by file, see `report_of`; of a detector with budgets also `budget`.

    Under `all` is what is of all files: `rates`, see `alert_rates`; `at_edges`, the alerts that
    started within the longest horizon of an outage's edge; `budget` and `budget_by_symbol` where
    there is one; with events `events`, of whose time there are bars, and the trade-off by scores
    and by budgets.

    Args:
        runs: Of files.
        config: That they were run with.
        events: Known ones, of folders of files; null without.
    """
    report = {run.file: report_of(run) for run in runs}
    longest_us = max(
        config.sampling.step_us or 0,
        *(config.detector.horizons if isinstance(config.detector, MultiHorizonConfig) else ()),
    )
    together: dict[str, Any] = {
        "rates": alert_rates(runs),
        "at_edges": [alert for run in runs for alert in alerts_at_outages(run, longest_us)],
    }
    if config.detector.budget is not None:
        for run in runs:
            report[run.file]["budget"] = budget_use(run, config.detector)
        uses = [(run.symbol, report[run.file]["budget"]) for run in runs]
        together["budget"] = budget_summary([use for _, use in uses])
        together["budget_by_symbol"] = budgets_by_symbol(uses, config.detector.budget)
    if events is not None:
        sets: dict[str, list[KlinesRun]] = {}
        for run in runs:
            sets.setdefault(Path(run.file).resolve().parent.name, []).append(run)
        seen = [one for one in events if any(map(one.concerns, sets.get(one.set, ())))]
        together["events"] = events_found(seen, sets)
        together["trade_off"] = trade_off(seen, sets, config.detector)
        together["budget_trade_off"] = budget_trade_off(seen, sets, config.detector)
    return {**report, ALL: together}
