"""Sample rows as the columns of Bokeh sources: times in milliseconds, missing values NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

#: Each binary column costs two websocket frames; up to this many rows plain lists are cheaper.
LIST_ROWS = 64

NAN = float("nan")


def spark_columns(rows: pl.DataFrame) -> Mapping[str, Any]:
    """Return history rows as the columns of the overview: `i` is the symbol's place in the plan."""
    return _columns(
        rows.select(
            i=pl.col("symbol").to_physical().cast(pl.UInt16),
            t=_milliseconds("open_time"),
            v=pl.col("volatility").cast(pl.Float32).fill_null(NAN),
        )
    )


def detail_columns(
    rows: pl.DataFrame, *, every_us: int, after_ms: float | None = None
) -> Mapping[str, Any]:
    """Return the history rows of one symbol as the columns of its panes.

    `risen` and `fallen` are the volatility where it was found to have changed so, else NaN. A grid
    step that is missing becomes one row of NaN, so that lines break instead of joining.

    Args:
        rows: History rows of one symbol, at most one a grid step.
        every_us: The length of a grid step.
        after_ms: The open time of the row before the first, when there is one.
    """
    ordered = rows.sort("open_time").select(
        t=_milliseconds("open_time"),
        price="close",
        volatility="volatility",
        z=pl.col("score") * pl.col("direction"),
        risen=_where_changed(1),
        fallen=_where_changed(-1),
    )
    every_ms = every_us / 1e3
    before = pl.col("t").shift(1, fill_value=after_ms)
    gaps = ordered.select(before.alias("t") + every_ms, width=pl.col("t") - before).filter(
        pl.col("width") > 1.5 * every_ms
    )
    whole = pl.concat([ordered, gaps.select("t")], how="diagonal").sort("t")
    return _columns(whole.fill_null(NAN))


def _where_changed(direction: int) -> pl.Expr:
    return pl.when(pl.col("regime_change") == direction).then("volatility").cast(pl.Float32)


def _milliseconds(column: str) -> pl.Expr:
    return pl.col(column).dt.timestamp("us") / 1e3


def _columns(frame: pl.DataFrame) -> Mapping[str, Any]:
    if frame.height <= LIST_ROWS:
        return frame.to_dict(as_series=False)
    return {column.name: column.to_numpy() for column in frame}
