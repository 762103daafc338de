"""The table that `status` prints."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pipeline.durations import SECOND
from pipeline.report import BOOK_COUNTS, BOOK_PRICES, COUNTS, has_books

if TYPE_CHECKING:
    import polars as pl

    from pipeline.board import BoardSnapshot
    from pipeline.budget import Spending


#: Of the last hour, or of all of a shorter run.
_LOAD = ("alerts per hour", "in alarm")


def status_table(report: dict[str, Any], snapshot: BoardSnapshot, spending: Spending) -> None:
    """Print one row a symbol, and lines about the whole and about the venue's limits."""
    table = Table()
    for column in ("symbol", "condition", "last trade", "coverage", "lag", *COUNTS, *_LOAD):
        table.add_column(
            column.replace("_", " "), justify="left" if column == "symbol" else "right"
        )
    for row in snapshot.health.iter_rows(named=True):
        table.add_row(
            row["symbol"],
            row["condition"],
            _measure(row["last_trade_age_s"], "s ago"),
            f"{row['coverage_frac']:.4%}",
            _measure(row["lag_ms"], "ms"),
            *(f"{row[name]:,}" for name in COUNTS),
            *_load(report["symbols"][row["symbol"]]),
        )
    # A table in a pipe is for reading too: 80 columns would cut it.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    if has_books(snapshot.health):
        console.print(_books_table(snapshot.health))
    restarts = report["restarts"]
    console.print(
        f"{report['venue']} for {report['seconds']:.0f} s, {snapshot.trades_per_s:.0f} trades/s, "
        f"{report['reconnects']} reconnects, restarts: {restarts['symbol_actors']} symbol actors, "
        f"{restarts['coordinator']} coordinator"
    )
    per_hour, share = _load(report["market"])
    console.print(f"all symbols as one market: {per_hour} alerts an hour, {share} of it in alarm")
    if report["latency_ms"]:
        console.print(f"latency p50/p99 ms: {_latencies(report['latency_ms'])}")
    clock = report["clock"]
    if clock is not None:
        console.print(
            f"the venue's clock is {clock['venue_ahead_ms']:+.1f} ms from ours, "
            f"give or take {clock['error_ms']:.1f} ms"
        )
    console.print(
        f"requests: {spending.weight:,} of {spending.weight_limit:,} weight in a minute, "
        f"connections: {spending.connections} of {spending.connections_limit} in five minutes"
    )
    ban = limits_report(spending)["ban"]
    if ban is not None:
        console.print(f"no requests until {ban['until']}: {ban['reason']}")


def _books_table(health: pl.DataFrame) -> Table:
    """Return one row a symbol about its order book; prices are blank while it is not known."""
    table = Table(title="order books")
    for column in ("symbol", *BOOK_PRICES, *BOOK_COUNTS):
        table.add_column(
            column.removeprefix("book_"), justify="left" if column == "symbol" else "right"
        )
    for row in health.iter_rows(named=True):
        table.add_row(
            row["symbol"],
            *("-" if row[name] is None else f"{row[name]:.10g}" for name in ("bid", "ask")),
            "-" if row["imbalance"] is None else f"{row['imbalance']:+.2f}",
            *("-" if row[name] is None else f"{row[name]:,}" for name in BOOK_COUNTS),
        )
    return table


def _latencies(latency_ms: dict[str, dict[str, float]]) -> str:
    return ", ".join(
        f"{leg} {found['p50']:.1f}/{found['p99']:.1f}" for leg, found in latency_ms.items()
    )


def limits_report(spending: Spending) -> dict[str, Any]:
    """Return how much of the venue's limits is used, for JSON; `ban` is null without one."""
    ban = spending.ban
    return {
        "weight": spending.weight,
        "weight_limit": spending.weight_limit,
        "connections": spending.connections,
        "connections_limit": spending.connections_limit,
        "ban": ban
        and {
            "until": datetime.fromtimestamp(ban.until_us // SECOND, UTC).isoformat(),
            "reason": ban.reason,
        },
    }


def _measure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f} {unit}"


def _load(row: dict[str, Any]) -> tuple[str, str]:
    return f"{row['alerts_per_hour']:.1f}", f"{row['in_alarm_frac']:.2%}"
