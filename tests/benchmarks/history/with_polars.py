"""The history job in Polars expressions: group_by_dynamic, a filled grid, rolling windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from tests.benchmarks.history.market import Trades
from tests.benchmarks.history.rows import (
    FILL_S,
    HALF_LIFE_S,
    PER_YEAR,
    PRICES,
    SCORE_S,
    VOLATILITY_S,
    Rows,
)

_TIME = pl.Datetime("us", "UTC")
_BAR = {
    "open": pl.col("price").first(),
    "high": pl.col("price").max(),
    "low": pl.col("price").min(),
    "close": pl.col("price").last(),
    "volume": pl.col("quantity").sum(),
    "notional": (pl.col("price") * pl.col("quantity")).sum(),
    "trades": pl.len(),
}


def prepare_per_symbol(trades: Trades) -> Callable[[], Any]:
    """Return the job over these trades as queries over one symbol's rows after the other."""
    frame = _frame(trades)
    return lambda: _per_symbol(frame)


def prepare(trades: Trades) -> Callable[[], Any]:
    """Return the job over these trades as queries over the whole frame, windows `.over` symbols."""
    frame = _frame(trades)
    return lambda: _whole(frame)


def rows_of(result: Any, _: Trades) -> Rows:  # noqa: ANN401 - what `prepare` made
    """Return the result as rows."""
    seconds = result["open_time"].to_physical() // 1_000_000
    values = {name: column.to_numpy() for name, column in result.to_dict().items()}
    return Rows.of(result["symbol"].to_physical(), seconds, values)


def _frame(trades: Trades) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "symbol": pl.Series(trades.symbols, dtype=pl.Enum(trades.symbols))[trades.symbol_index],
            "event_time": pl.Series(trades.event_us).cast(_TIME),
            "price": trades.price,
            "quantity": trades.quantity,
        }
    )


# Of the engines and ways to group, these were the quickest: whole frame, truncated times against
# group_by_dynamic, 1.2 s against 3.7 s; one symbol, streaming against in-memory, 0.7 s against 1.2.
def _per_symbol(trades: pl.DataFrame) -> pl.DataFrame:
    results = []
    for part in trades.partition_by("symbol"):
        seconds = part.lazy().group_by_dynamic("event_time", every="1s")
        bars = seconds.agg(pl.col("symbol").first(), **_BAR).collect(engine="streaming")
        grid = bars.rename({"event_time": "open_time"}).upsample("open_time", every="1s")
        query = grid.lazy().with_columns(pl.col("symbol").forward_fill())
        for stage in _stages():
            query = query.with_columns(stage)
        results.append(query.collect(engine="in-memory"))
    return pl.concat(results)


def _whole(trades: pl.DataFrame) -> pl.DataFrame:
    open_time = pl.col("event_time").dt.truncate("1s").alias("open_time")
    seconds = trades.lazy().group_by("symbol", open_time)
    bars = seconds.agg(**_BAR).sort("symbol", "open_time").collect(engine="streaming")
    # There is no lazy upsample.
    grid = bars.upsample("open_time", every="1s", group_by="symbol", maintain_order=True)
    query = grid.lazy()
    for stage in _stages():
        query = query.with_columns(expression.over("symbol") for expression in stage)
    return query.collect(engine="in-memory")


def _stages() -> list[list[pl.Expr]]:
    """Return the expressions of one symbol's rows, stage by stage."""
    filled = pl.col("close").forward_fill(limit=FILL_S)
    close, r, squares = pl.col("close"), pl.col("r"), pl.col("squares")
    row = pl.int_range(pl.len())
    mean = r.shift(1).rolling_mean(SCORE_S, min_samples=SCORE_S // 2)
    std = r.shift(1).rolling_std(SCORE_S, min_samples=SCORE_S // 2)
    ewma = squares.ewm_mean(half_life=HALF_LIFE_S, ignore_nulls=False).forward_fill()
    return [
        [pl.coalesce(name, filled).alias(name) for name in PRICES]
        + [pl.col("volume", "notional", "trades").fill_null(0)],
        [(close / close.shift(1) - 1.0).log1p().alias("r")],
        [(r * r).alias("squares")],
        [_volatility(squares, name, window) for name, window in VOLATILITY_S.items()]
        + [(ewma * PER_YEAR).sqrt().alias("ewma_vol_1m")]
        + [pl.when(row > SCORE_S).then((r - mean).abs() / std).alias("score")],
    ]


def _volatility(squares: pl.Expr, name: str, window: int) -> pl.Expr:
    mean = squares.rolling_mean(window, min_samples=window // 2)
    full = pl.int_range(pl.len()) >= window  # the first row has no return
    return pl.when(full).then((mean * PER_YEAR).sqrt()).alias(name)
