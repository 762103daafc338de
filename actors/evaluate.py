"""What `cryptoctopus evaluate` shows: yardsticks of detectors, as tables and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from actors.html_report import write_html
from pipeline.evaluation.ablation import ablation
from pipeline.evaluation.nab import evaluate_nab
from pipeline.evaluation.nab_rules import PROFILES
from pipeline.evaluation.sim import evaluate_sim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Of one command: an hour's work or so.
MOST_SEEDS = 100

_FIGURES = {
    "false alarms a day at recall 0.5": "false_alarms_per_day_at_recall_0.5",
    "false alarms a day at recall 0.8": "false_alarms_per_day_at_recall_0.8",
    "false alarms a day at recall 0.9": "false_alarms_per_day_at_recall_0.9",
    "precision at recall 0.8": "precision_at_recall_0.8",
    "recall at 12 false alarms a day": "recall_at_0.5_alarms_per_hour",
    "median latency at recall 0.8, s": "median_latency_s",
    "recall of aftershocks": "aftershock_recall",
}

_OF_CHANGES = (
    "false alarms a day",
    "with heavy tails",
    "aftershocks found",
    "false episodes a day",
    "in a thin market",
    "in a still one",
    "in coarse steps",
)


def seeds_of(text: str | None, default: Sequence[int]) -> Sequence[int]:
    """Return the seeds of `FIRST-LAST`, both inclusive; null is the default.

    Raises:
        ValueError: It is not two whole numbers in order, or has more than a hundred seeds.
    """
    if text is None:
        return default
    first, separator, last = text.partition("-")
    if not (separator and first.isdigit() and last.isdigit()):
        raise ValueError(f"expected FIRST-LAST such as 600-605, found {text!r}")
    seeds = range(int(first), int(last) + 1)
    if not 0 < len(seeds) <= MOST_SEEDS:
        raise ValueError(f"expected 1 to {MOST_SEEDS} seeds, found {text!r}")
    return seeds


def show_sim(seeds: Sequence[int], *, as_json: bool, html: Path | None) -> None:
    """Run the simulated market and print the report; write it as a page, too, if asked.

    Raises:
        OutputError: The page cannot be written.
    """
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluate sim")
        report = evaluate_sim(
            seeds, lambda part: progress.update(task, description=f"evaluate sim: {part} done")
        )
    if html is not None:
        write_html("sim", report, html)
    if as_json:
        print(json.dumps(report, indent=2))  # noqa: T201 - the result of the command
        return
    console = Console()
    console.print(_table(report))
    console.print(_calm_table(report))
    console.print(
        f"Reported on seeds {_spans(report['seeds'])}; parameters were chosen on "
        f"{_spans(report['chosen_on'])}."
    )
    if report["warning"] is not None:
        console.print(f"Warning: {report['warning']}.")


def show_ablation(seeds: Sequence[int], *, as_json: bool) -> None:
    """Change the default detector in one thing after the other and print what that does."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluate ablation", total=None)
        report = ablation(seeds, lambda done, of: progress.update(task, completed=done, total=of))
    if as_json:
        print(json.dumps(report, indent=2))  # noqa: T201 - the result of the command
        return
    table = Table(
        "change", *_OF_CHANGES, title="One choice changed at a time: at recall 0.8, and episodes"
    )
    for name, figures in report["changes"].items():
        table.add_row(name, *map(str, figures.values()))
    console = Console()
    console.print(table)
    console.print(f"On seeds {_spans(report['seeds'])}.")


def show_nab(data: Path, *, as_json: bool, html: Path | None) -> None:
    """Score our detectors on the benchmark and print the report; see `show_sim`.

    Raises:
        DataError: The data are not there, or not as published.
        OutputError: The page cannot be written.
    """
    with Console(stderr=True).status("evaluate nab"):
        report = evaluate_nab(data)
    if html is not None:
        write_html("nab", report, html)
    if as_json:
        print(json.dumps({"detectors": report["detectors"]}, indent=2))  # noqa: T201 - as above
        return
    Console().print(nab_table(report["table"]))


def nab_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the rows of the benchmark's report as a table; a name is wrapped, never cut."""
    names = [profile.name for profile in PROFILES]
    table = Table(title="Numenta Anomaly Benchmark")
    for column in ("detector", *names, "scores"):
        table.add_column(column, overflow="fold")
    for row in rows:
        figures = [f"{row['scores'][name]:.2f}" for name in names]
        table.add_row(row["detector"], *figures, row["source"])
    return table


def _table(report: dict[str, Any]) -> Table:
    detectors = report["detectors"]
    table = Table("setting", "", *detectors, title="Simulated market")
    harder = [one for one in next(iter(detectors.values()))["settings"] if one != "illiquid"]
    for setting in ("default", *harder):
        sides = [
            one if setting == "default" else one["settings"][setting] for one in detectors.values()
        ]
        for at, (title, key) in enumerate(_FIGURES.items()):
            if key in sides[0]:
                table.add_row(setting if at == 0 else "", title, *(str(one[key]) for one in sides))
        table.add_section()
    return table


def _calm_table(report: dict[str, Any]) -> Table:
    table = Table("a trade every", "detector", "episodes a day", "time in alarm", "time judged")
    table.title = "Thin markets in which nothing happens"
    for name, figures in report["detectors"].items():
        for gap, one in figures["settings"]["illiquid"].items():
            table.add_row(
                gap,
                name,
                str(one["per_day"]),
                f"{one['time_in_alarm_share']:.3%}",
                f"{one['judged_share']:.0%}",
            )
    return table


def _spans(seeds: Sequence[int]) -> str:
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}..{seeds[-1]}"
    return ", ".join(map(str, seeds))
