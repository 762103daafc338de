"""Bars of others -> bars on our grid: every step present, prices filled while they hold."""

from __future__ import annotations

import polars as pl

from pipeline.schema import BARS, TIME


def fill_grid(bars: pl.DataFrame, *, every_us: int, forward_fill_us: int) -> pl.DataFrame:
    """Return one symbol's BARS with a row for every step from its first bar to its last.

    Rows that are missing have no trades. A row without trades repeats the last traded close for
    `forward_fill_us`, inclusive, then its prices are null, whatever the venue put there.

    Args:
        bars: BARS of one symbol in time order; opens on the grid.
        every_us: The grid step.
        forward_fill_us: How long a close stays valid without a trade.
    """
    if bars.is_empty():
        return bars
    steps = pl.int_range(
        bars["open_time"].to_physical()[0],
        bars["open_time"].to_physical()[-1] + 1,
        every_us,
        eager=True,
    ).cast(TIME)
    traded = pl.col("trades") > 0
    last_traded = pl.when(traded).then(pl.col("open_time")).forward_fill()
    last_close = pl.when(traded).then(pl.col("close")).forward_fill()
    valid = pl.col("open_time") - last_traded <= pl.duration(microseconds=forward_fill_us)
    filled = pl.when(valid).then(last_close)
    return (
        pl.DataFrame({"open_time": steps})
        .join(bars, on="open_time", how="left", maintain_order="left")
        .with_columns(
            pl.lit(bars["symbol"][0]).alias("symbol"),
            pl.col("volume", "notional").fill_null(0.0),
            pl.col("trades").fill_null(0),
            pl.col("complete").fill_null(value=True),
            pl.col("revision").fill_null(0),
        )
        .with_columns(
            pl.when(traded).then(pl.col(name)).otherwise(filled).alias(name)
            for name in ("open", "high", "low", "close")
        )
        .select(BARS.names())
    )
