"""The alert log of a board: bounded, and ready for the browser."""

from __future__ import annotations

import polars as pl

from pipeline.durations import DAY, MINUTE
from pipeline.schema import ALERTS

#: From mild to severe; a severity's rank is its place plus one.
SEVERITIES = ("minor", "major", "critical")

#: Alerts kept; when there are more, those that started first are forgotten.
LOG_ROWS = 500

#: Alerts sent to a browser, the newest ones.
BROWSER_ROWS = 200

#: An alert's mark sits on the newest volatility at most this long before its start.
MARK_TOLERANCE_US = MINUTE

#: An open episode is shaded to the right edge: further than any window reaches.
OPEN_SHADE_US = DAY

LOG = pl.Schema([*ALERTS.items(), ("volatility", pl.Float64)])


def add_alerts(log: pl.DataFrame, rows: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Return the log with `rows` added, each replacing an older revision of itself.

    Args:
        log: LOG rows.
        rows: ALERTS rows, new or revised.
        history: `symbol`, `open_time` and `volatility` of the samples known.

    Returns:
        LOG rows by start time, at most `LOG_ROWS`; `volatility` is that of the symbol when the
        episode started, null when it is not in `history`.
    """
    marked = rows.sort("start_time").join_asof(
        history.filter(pl.col("volatility").is_not_null())
        .select(pl.col("symbol").cast(pl.String), "open_time", "volatility")
        .filter(pl.col("symbol").is_in(rows["symbol"].unique().implode()))
        .sort("open_time"),
        left_on="start_time",
        right_on="open_time",
        by="symbol",
        tolerance=f"{MARK_TOLERANCE_US}us",
        check_sortedness=False,
    )
    return (
        pl.concat([log, marked.select(LOG.names())])
        .sort("revision", maintain_order=True)
        # A later revision may come when its start has left the history: the first mark stays.
        .group_by("alert_id", maintain_order=True)
        .agg(pl.exclude("volatility").last(), pl.col("volatility").drop_nulls().last())
        .select(LOG.names())
        .sort("start_time", maintain_order=True)
        .tail(LOG_ROWS)
    )


def severity_ranks(log: pl.DataFrame) -> dict[str, int]:
    """Return symbol -> rank (1 to 3) of its most severe open alert."""
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES, start=1)}
    worst = (
        log.filter(pl.col("status") == "open")
        .group_by("symbol")
        .agg(pl.col("severity").replace_strict(ranks, default=1, return_dtype=pl.Int64).max())
    )
    return dict(worst.iter_rows())


def count_since(log: pl.DataFrame, since_us: int) -> int:
    """Return how many alerts started at or after `since_us` and were not retracted.

    Those that are part of one of the market do not count beside it.
    """
    start_us = pl.col("start_time").dt.timestamp("us")
    stands = pl.col("status") != "retracted"
    return log.filter(start_us >= since_us, stands, pl.col("parent_id").is_null()).height


def alert_columns(log: pl.DataFrame) -> dict[str, list[object]]:
    """Return the newest alerts as columns for the browser, times in milliseconds.

    `end_ms` is NaN while an alert is open; a retracted alert has no mark and no shade. Those that
    are part of one of the market come just before it.
    """
    retracted = pl.col("status") == "retracted"
    start_ms = pl.col("start_time").dt.timestamp("us") / 1e3
    end_ms = pl.col("end_time").dt.timestamp("us") / 1e3
    columns = _in_groups(log.tail(BROWSER_ROWS)).select(
        "alert_id",
        "symbol",
        "severity",
        "scope",
        "status",
        "direction",
        "samples",
        "horizon_s",
        "exceeding",
        "members",
        pl.col("parent_id").fill_null(""),
        pl.col("peak_score").round(2),
        pl.col("move_bp").round(1),
        start_ms=start_ms,
        end_ms=end_ms.fill_null(float("nan")),
        shade_ms=pl.when(retracted)
        .then(start_ms)
        .otherwise(end_ms.fill_null(start_ms + OPEN_SHADE_US / 1e3)),
        volatility=pl.when(~retracted).then("volatility").fill_null(float("nan")),
        marker=pl.when(pl.col("direction") < 0)
        .then(pl.lit("inverted_triangle"))
        .otherwise(pl.lit("triangle")),
    )
    return columns.to_dict(as_series=False)


def _in_groups(log: pl.DataFrame) -> pl.DataFrame:
    """Return alerts by start, those that are part of another just before that one."""
    starts = log.select(parent_id="alert_id", parent_start="start_time")
    is_parent = pl.col("scope") == "market"
    return (
        log.join(starts, on="parent_id", how="left", maintain_order="left")
        .sort(
            pl.coalesce("parent_start", "start_time"),
            pl.coalesce("parent_id", pl.when(is_parent).then("alert_id"), pl.lit("")),
            pl.col("parent_id").is_null(),
            maintain_order=True,
        )
        .drop("parent_start")
    )
