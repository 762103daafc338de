"""`evaluate market`: what all symbols of recorded months together would have alerted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from pipeline.detect.config import MultiHorizonConfig
from pipeline.evaluation.klines import minutes_config
from pipeline.evaluation.known_events import read_events
from pipeline.evaluation.market import report_of, run_market

if TYPE_CHECKING:
    from collections.abc import Sequence


def show_market(
    files: Sequence[str], events: Path | None, *, min_symbols: int, as_json: bool
) -> None:
    """Run recorded months side by side and print the alerts of the market.

    Args:
        files: Of klines of a minute.
        events: A list of known ones, of folders of files; null for none.
        min_symbols: Known returns without which the market has none.
        as_json: Whether to print the report instead of tables.

    Raises:
        ReplayError: A file cannot be read, or has no klines of a minute.
    """
    config = minutes_config()
    known = [] if events is None else read_events(events)
    folders = {Path(file).resolve().parent.name for file in files}
    market = config.market.model_copy(update={"min_symbols": min_symbols})
    with Console(stderr=True).status("evaluate market"):
        run = run_market(files, config.model_copy(update={"market": market}))
        own = [one for one in known if one.set in folders and run.covers(one)]
        assert isinstance(config.detector, MultiHorizonConfig)  # noqa: S101 - the default one
        report = report_of(run, own, config.detector.horizons[-1])
    if as_json:
        print(json.dumps(report, indent=2))  # noqa: T201 - the result
        return
    table = Table("start", "end", "severity", "score", "move bp", "symbols in it")
    table.title = (
        f"{len(report['market'])} alerts of {len(report['symbols'])} symbols together in "
        f"{report['days']:.1f} days; {report['folded']} of {report['episodes']} of single symbols "
        "are part of them"
    )
    for one in report["market"]:
        breadth = f"{one['exceeding']} of {one['members']}"
        figures = f"{one['score']:.1f}", f"{one['move_bp']:+.0f}", breadth
        table.add_row(one["start"], one["end"] or "", one["severity"], *figures)
    console = Console(width=120)
    console.print(table)
    if report["events"]:
        of_events = Table("event", "kind", "alerts of the market", title="Known events")
        for one in report["events"]:
            of_events.add_row(one["event"], one["kind"], str(one["alerts"]))
        console.print(of_events)
