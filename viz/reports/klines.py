"""Recorded months: when there were alerts, and what other thresholds would have been worth."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.models import HoverTool

from pipeline.evaluation.months import ALL
from viz.reports.plots import (
    OTHER,
    OURS,
    QUIET,
    SEVERITIES,
    Section,
    columns_of,
    empty_plot,
    legend_above,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Key of the rows, what each is of, and its name.
_TRADE_OFFS = (("trade_off", "enter", OURS), ("budget_trade_off", "budget_per_day", OTHER))


def klines_sections(report: Mapping[str, Any]) -> list[Section]:
    """Return the parts of `evaluate klines`: alerts by folder, then what is of all files."""
    folders: dict[str, dict[str, Any]] = defaultdict(dict)
    for file, one in report.items():
        if file != ALL:
            path = Path(file).resolve()
            folders[path.parent.name][path.name] = one
    together = report.get(ALL, {})
    sections = [_alerts(folder, files) for folder, files in folders.items()]
    if "budget" in together:
        for folder, files in folders.items():
            times = {name: one["budget"]["times_budget"] for name, one in files.items()}
            sections.append(_budgets(f"in {folder}", times))
        symbols = together["budget_by_symbol"]["symbols"]
        times = {name: row["times_budget"] for name, row in symbols.items()}
        sections.append(_budgets("by symbol", times))
    if "trade_off" in together:
        sections.append(_trade_off(together))
    return sections


def _alerts(folder: str, files: Mapping[str, Any]) -> Section:
    names = sorted(files, reverse=True)
    made = empty_plot(height=90 + 22 * len(names), x_axis_type="datetime", y_range=names)
    gaps = [
        (name, _time(row["start"]), _time(row["end"]))
        for name, one in files.items()
        for row in one["data_quality"]
        if row["kind"] == "outage"
    ]
    data = columns_of(("name", "start", "end"), gaps)
    made.hbar("name", left="start", right="end", height=0.8, color=QUIET, alpha=0.5, source=data)
    for rank, (severity, colour) in enumerate(SEVERITIES.items()):
        found = [
            (name, _time(alert["start"]), alert["score"], alert["move_bp"])
            for name, one in files.items()
            for alert in one["alerts"]
            if alert["severity"] == severity
        ]
        data = columns_of(("name", "start", "score", "move"), found)
        made.scatter(
            "start", "name", size=5 + 3 * rank, color=colour, alpha=0.8, legend_label=severity,
            source=data,
        )  # fmt: skip
    tooltips = [("", "@name"), ("start", "@start{%F %R}"), ("score", "@score{0.0}"),
                ("move", "@move{0} bp")]  # fmt: skip
    made.add_tools(HoverTool(tooltips=tooltips, formatters={"@start": "datetime"}))
    legend_above(made)
    note = "A mark for each alert; grey where the venue has no bars."
    return Section(f"Alerts in {folder}", note, made)


def _budgets(of_what: str, multiples: Mapping[str, Mapping[str, float | None]]) -> Section:
    names = sorted(multiples, reverse=True)
    made = empty_plot(height=110 + 22 * len(names), y_range=names, x_axis_label="times the budget")
    made.vspan([0.5, 2.0], line_color=QUIET, line_dash="dashed")
    made.vspan([1.0], line_color=QUIET)
    for severity, colour in SEVERITIES.items():
        times = [(name, one[severity]) for name, one in multiples.items()]
        data = columns_of(("name", "times"), [row for row in times if row[1] is not None])
        made.scatter("times", "name", size=9, color=colour, legend_label=severity, source=data)
    made.add_tools(HoverTool(tooltips=[("", "@name"), ("times", "@times{0.00}")]))
    legend_above(made)
    note = (
        "Alarms of each severity or worse, since thresholds were found; dashed are half of the "
        "budget and twice."
    )
    return Section(f"Alarms against their budget {of_what}", note, made)


def _trade_off(together: Mapping[str, Any]) -> Section:
    made = empty_plot(
        x_axis_type="log",
        y_range=(0, 1.05),
        x_axis_label="alerts a day and symbol",
        y_axis_label="share of the files that known events concern",
    )
    for key, by, colour in _TRADE_OFFS:
        points = [
            (row["alerts_per_day"], row["symbols_found"], f"{by} {row[by]:g}")
            for row in together[key]
            if row["alerts_per_day"] and row["symbols_found"] is not None
        ]
        data = columns_of(("rate", "found", "at"), points)
        made.line("rate", "found", color=colour, line_width=2, legend_label=by, source=data)
        made.scatter("rate", "found", color=colour, size=7, source=data)
    tooltips = [("", "@at"), ("alerts a day", "@rate{0.00}"), ("found", "@found{0 %}")]
    made.add_tools(HoverTool(tooltips=tooltips))
    made.legend.location = "bottom_right"
    note = "Each point is a score to start at, or a budget; further left and up is better."
    return Section("What is found for how many alarms", note, made)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
