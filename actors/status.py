"""The table that `status` prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pipeline.report import COUNTS

if TYPE_CHECKING:
    from pipeline.board import BoardSnapshot


def status_table(report: dict[str, Any], snapshot: BoardSnapshot) -> None:
    """Print one row a symbol, and a line about the whole."""
    table = Table()
    for column in ("symbol", "feed", "last trade", "coverage", "lag", *COUNTS):
        table.add_column(
            column.replace("_", " "), justify="left" if column == "symbol" else "right"
        )
    for row in snapshot.health.iter_rows(named=True):
        table.add_row(
            row["symbol"],
            "up" if snapshot.connected[row["symbol"]] else "down",
            _measure(row["last_trade_age_s"], "s ago"),
            f"{row['coverage_frac']:.4%}",
            _measure(row["lag_ms"], "ms"),
            *(f"{row[name]:,}" for name in COUNTS),
        )
    # A table in a pipe is for reading too: 80 columns would cut it.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    restarts = report["restarts"]
    console.print(
        f"{report['venue']} for {report['seconds']:.0f} s, {snapshot.trades_per_s:.0f} trades/s, "
        f"{report['reconnects']} reconnects, restarts: {restarts['symbol_actors']} symbol actors, "
        f"{restarts['coordinator']} coordinator"
    )


def _measure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f} {unit}"
