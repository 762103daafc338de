"""What `cryptoctopus evaluate klines` shows: tables of recorded months, or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from actors.html_report import write_html
from pipeline.evaluation.budgets import FACTOR, SEVERITIES
from pipeline.evaluation.klines import minutes_config, run_klines
from pipeline.evaluation.known_events import read_events
from pipeline.evaluation.months import ALL, months_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def show_klines(
    files: Sequence[str],
    settings: Sequence[str],
    events: Path | None,
    *,
    as_json: bool,
    html: Path | None,
) -> None:
    """Run recorded months and print what would have been alerted.

    Args:
        files: Of klines of a minute.
        settings: What differs from the defaults, as `dotted.path=value`.
        events: A list of known ones; null for none.
        as_json: Whether to print the report instead of tables.
        html: Where to write it as a page, too.

    Raises:
        ConfigError: A setting is wrong.
        ReplayError: A file cannot be read, or has no klines of a minute.
        OutputError: The page cannot be written.
    """
    config = minutes_config(settings)
    known = None if events is None else read_events(events)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluate klines", total=len(files))
        runs = run_klines(
            files, config, progress=lambda done, _: progress.update(task, completed=done)
        )
    report = months_report(runs, config, known)
    if html is not None:
        write_html("klines", report, html)
    if as_json:
        print(json.dumps(report, indent=2))  # noqa: T201 - the result of the command
        return
    console, together = Console(), report.pop(ALL)
    console.print(_alerts_table(report))
    console.print(_rates_line(together["rates"], len(together["at_edges"])))
    if "budget" in together:
        console.print(_budget_table(report, together["budget"]))
        console.print(_symbols_table(together["budget_by_symbol"]))
    if "events" in together:
        console.print(_events_table(together["events"]))
        console.print(_trade_off_table("enter", "enter", together["trade_off"]))
        by_budget = together["budget_trade_off"]
        console.print(_trade_off_table("budget a day", "budget_per_day", by_budget))


def _alerts_table(report: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("file", "bars", *SEVERITIES, "outages", title="Recorded months")
    for file, one in report.items():
        severities = [alert["severity"] for alert in one["alerts"]]
        counts = [severities.count(name) for name in SEVERITIES]
        outages = [each for each in one["data_quality"] if each["kind"] == "outage"]
        table.add_row(Path(file).name, *map(str, (one["bars"], *counts, len(outages))))
    return table


def _rates_line(rates: Mapping[str, Any], at_edges: int) -> str:
    if not rates["days"]:
        return "No bars."
    return (
        f"{rates['symbols']} symbols, {rates['days']:.0f} days: {rates['alerts_per_day']:.2f} "
        f"alerts a day, {rates['major_per_30_days']:.1f} major ones and "
        f"{rates['critical_per_30_days']:.1f} critical ones in 30 days, each; "
        f"{rates['time_in_alarm']:.2%} of the time in alarm, {rates['judged']:.1%} judged; "
        f"{at_edges} alerts at the edges of outages."
    )


def _budget_table(report: Mapping[str, Mapping[str, Any]], total: Mapping[str, Any]) -> Table:
    table = Table("file", "days", *SEVERITIES, "thresholds at the end")
    table.title = "Alarms of a severity or worse, as multiples of the budget"
    for file, one in report.items():
        use = one["budget"]
        times = [_number(use["times_budget"][name]) for name in SEVERITIES]
        thresholds = ", ".join(f"{use['threshold'][name]:.1f}" for name in SEVERITIES)
        table.add_row(Path(file).name, f"{use['days']:.1f}", *times, thresholds)
    if total["times_budget"] is not None:
        table.add_section()
        means = [_number(total["times_budget"][name]["mean"]) for name in SEVERITIES]
        table.add_row(f"mean of {total['files']}", f"{total['days']:.0f}", *means)
    return table


def _symbols_table(total: Mapping[str, Any]) -> Table:
    """Return multiples of the budget by symbol, with how many there were of how many meant."""
    table = Table(
        "symbol", "files", "days", *SEVERITIES, title="The same by symbol, and alarms/budget"
    )
    for symbol, row in total["symbols"].items():
        counts = [f"{row['alerts'][name]}/{row['expected'][name]:.1f}" for name in SEVERITIES]
        times = [f"{row['times_budget'][name]:.2f}" for name in SEVERITIES]
        cells = [f"{one} ({count})" for one, count in zip(times, counts, strict=True)]
        table.add_row(symbol, str(row["files"]), f"{row['days']:.1f}", *cells)
    over = total["times_budget"]
    if over is not None:
        table.add_section()
        for key in ("mean", "least", "most"):
            table.add_row(key, "", "", *(f"{over[name][key]:.2f}" for name in SEVERITIES))
        table.add_row(
            f"{FACTOR:g}x or 1/{FACTOR:g}", "", "",
            *(", ".join(over[name]["beyond"]) or "none" for name in SEVERITIES),
        )  # fmt: skip
        by_chance = (f"{over[name]['beyond_by_chance']:.2f}" for name in SEVERITIES)
        table.add_row("by chance", "", "", *by_chance)
    return table


def _events_table(events: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("event", "kind", "found", "in files", "highest score", title="Known events")
    for one in events:
        found = one["symbols"] - len(one["missed"])
        table.add_row(
            one["event"],
            one["kind"],
            "yes" if one["found"] else "no",
            f"{found} of {one['symbols']}",
            _number(one["score"]),
        )
    return table


def _trade_off_table(title: str, by: str, rows: Sequence[Mapping[str, float | None]]) -> Table:
    columns = ("alerts_per_day", "quiet_alerts_per_day", "events_found", "symbols_found")
    heads = ("alerts a day", "in quiet weeks", "events found", "in files")
    table = Table(title, *heads, title=f"What another {title} is worth")
    for row in rows:
        table.add_row(*(_number(row[name]) for name in (by, *columns)))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
