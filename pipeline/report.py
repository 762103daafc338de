"""The run report: every trade id of every symbol accounted for, as one JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.durations import MILLISECOND
from pipeline.schema import MARKET_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from pipeline.alarms import AlarmLoad
    from pipeline.clock import Skew

#: What is counted for every symbol, and added up.
COUNTS = (
    "live",
    "backfilled",
    "pending",
    "lost",
    "duplicates",
    "rejected",
    "late",
    "bars",
    "incomplete_bars",
    "restated",
    "breaks",
    "alerts",
)


#: What is counted for the connection of a symbol, which others may share.
_OF_FEED = ("reconnects", "handovers", "dropped")

#: What is counted for order books, where they are kept.
BOOK_COUNTS = ("book_updates", "book_coalesced", "book_dropped", "book_resyncs")

#: What is known of them now.
BOOK_PRICES = ("bid", "ask", "imbalance")


def has_books(health: pl.DataFrame) -> bool:
    """Return whether a pipeline with this HEALTH keeps order books."""
    return health["book_updates"].count() > 0


def run_report(  # noqa: PLR0913 - what a report is made of, by name
    venue: str,
    seconds: float,
    health: pl.DataFrame,
    lost_ranges: Mapping[str, Sequence[tuple[int, int]]],
    *,
    reconnects: int,
    rejected_unnamed: int,
    restarts: Mapping[str, int],
    loads: Mapping[str, AlarmLoad],
    regime_changes: Mapping[str, int],
) -> dict[str, Any]:
    """Return the report of a run.

    For every symbol `live + backfilled + pending + lost == last_id - first_id + 1`. A symbol whose
    actor was restarted is counted from there, and the seconds from the coordinator's last start.
    `lost_ranges` are the lost ids as [first, last], both inclusive, oldest first; `lost_untold` is
    how many of `lost` are in none of them, because there were too many to tell. With order books
    each symbol also has `BOOK_PRICES` and `BOOK_COUNTS`.

    Args:
        venue: Its configured name.
        seconds: How long the pipeline ran.
        health: HEALTH, the newest row of each symbol.
        lost_ranges: Of each symbol in `health`, the newest, see `Payload`.
        reconnects: Of all connections together.
        rejected_unnamed: Rejected messages that name no symbol; they are in the totals only.
        restarts: `symbol_actors` and `coordinator`.
        loads: Of alarms over the last hour, by symbol, and of the market.
        regime_changes: How many were found in the bars that were told, by symbol; 0 for any other.
    """
    columns = ["first_id", "last_id", *COUNTS, *_OF_FEED, "last_price", "sha256"]
    if has_books(health):
        columns += [*BOOK_PRICES, *BOOK_COUNTS]
    symbols = {
        row["symbol"]: {column: row[column] for column in columns}
        | _which(row["lost"], lost_ranges[row["symbol"]])
        | _told(loads[row["symbol"]])
        | {"regime_changes": regime_changes[row["symbol"]]}
        for row in health.iter_rows(named=True)
    }
    totals = {column: sum(row[column] for row in symbols.values()) for column in COUNTS}
    totals["regime_changes"] = sum(row["regime_changes"] for row in symbols.values())
    totals["rejected"] += rejected_unnamed
    return {
        "seconds": round(seconds, 3),
        "venue": venue,
        "reconnects": reconnects,
        "restarts": dict(restarts),
        "market": _told(loads[MARKET_SYMBOL]),
        "symbols": symbols,
        "totals": totals,
    }


def _which(lost: int, ranges: Sequence[tuple[int, int]]) -> dict[str, Any]:
    told = sum(last - first + 1 for first, last in ranges)
    return {"lost_ranges": [list(one) for one in ranges], "lost_untold": lost - told}


def _told(load: AlarmLoad) -> dict[str, float]:
    return {"alerts_per_hour": round(load.per_hour, 3), "in_alarm_frac": round(load.share, 6)}


def timing_report(
    latency_ms: Mapping[str, Mapping[str, float]], skew: Skew | None
) -> dict[str, Any]:
    """Return the part of the report that tells how long things take.

    Args:
        latency_ms: `p50` and `p99` of the last minute or two, by leg.
        skew: The venue's clock against ours; null while unknown.
    """
    clock = None
    if skew is not None:
        clock = {
            "venue_ahead_ms": skew.skew_us / MILLISECOND,
            "error_ms": skew.error_us / MILLISECOND,
        }
    return {"latency_ms": {leg: dict(found) for leg, found in latency_ms.items()}, "clock": clock}
