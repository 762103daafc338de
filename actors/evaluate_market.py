"""`evaluate market`: what all symbols of recorded months together would have alerted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from pipeline.evaluation.klines import minutes_config
from pipeline.evaluation.market import report_of, run_market

if TYPE_CHECKING:
    from collections.abc import Sequence


def show_market(files: Sequence[str], *, min_symbols: int, as_json: bool) -> None:
    """Run recorded months side by side and print the alerts of the market.

    Raises:
        ReplayError: A file cannot be read, or has no klines of a minute.
    """
    config = minutes_config()
    market = config.market.model_copy(update={"min_symbols": min_symbols})
    with Console(stderr=True).status("evaluate market"):
        report = report_of(run_market(files, config.model_copy(update={"market": market})))
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
    Console(width=120).print(table)
