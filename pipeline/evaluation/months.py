"""The report of `evaluate klines`: files, and what becomes of budgets and known events in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.evaluation.budgets import budget_summary, budget_use
from pipeline.evaluation.klines import report_of
from pipeline.evaluation.known_events import events_found
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

    Under `all` is what is of all files: `budget` where there is one; with events `events`, of
    whose time there are bars, and the trade-off by scores and by budgets. The key is missing
    without either.

    Args:
        runs: Of files.
        config: That they were run with.
        events: Known ones, of folders of files; null without.
    """
    report = {run.file: report_of(run) for run in runs}
    together: dict[str, Any] = {}
    if config.detector.budget is not None:
        for run in runs:
            report[run.file]["budget"] = budget_use(run, config.detector)
        together["budget"] = budget_summary([one["budget"] for one in report.values()])
    if events is not None:
        sets: dict[str, list[KlinesRun]] = {}
        for run in runs:
            sets.setdefault(Path(run.file).resolve().parent.name, []).append(run)
        seen = [one for one in events if any(map(one.concerns, sets.get(one.set, ())))]
        together["events"] = events_found(seen, sets)
        together["trade_off"] = trade_off(seen, sets, config.detector)
        together["budget_trade_off"] = budget_trade_off(seen, sets, config.detector)
    return {**report, ALL: together} if together else report
