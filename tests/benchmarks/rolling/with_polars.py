"""The rolling job in Polars expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import polars as pl

from tests.benchmarks.rolling.columns import COUNT, NAMES, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job over one frame a symbol, made beforehand."""
    parts = _frame(ticks).partition_by("symbol", maintain_order=True)
    stages = _stages()
    return lambda: [_apply(part, stages) for part in parts]


def prepare_over(
    ticks: Ticks, engine: Literal["in-memory", "streaming"] = "in-memory"
) -> Callable[[], Any]:
    """Return the job over the whole frame, windows `.over("symbol")`."""
    query = _frame(ticks).lazy()
    for stage in _stages():
        query = query.with_columns(expression.over("symbol") for expression in stage)
    return lambda: [query.collect(engine=engine)]


def columns_of(result: Any, ticks: Ticks) -> Columns:  # noqa: ANN401 - what `prepare` made
    """Return the result as columns in the order of the ticks."""
    columns = {name: np.empty(len(ticks.price)) for name in NAMES}
    for part in result:
        for name in NAMES:
            columns[name][part["row"].to_numpy()] = part[name].to_numpy()
    return columns


def _frame(ticks: Ticks) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": np.arange(len(ticks.price)),
            "symbol": pl.Series(ticks.symbols, dtype=pl.Enum(ticks.symbols))[ticks.symbol_index],
            "time": pl.Series(ticks.time_us).cast(pl.Datetime("us")),
            "price": ticks.price,
        }
    )


def _apply(frame: pl.DataFrame, stages: list[list[pl.Expr]]) -> pl.DataFrame:
    for stage in stages:
        frame = frame.with_columns(stage)
    return frame


def _stages() -> list[list[pl.Expr]]:
    price, r = pl.col("price"), pl.col("r")
    std = r.rolling_std(COUNT)
    std_time = r.rolling_std_by("time", f"{REACH_US}us")
    full = pl.col("time") - pl.col("time").first() >= pl.duration(microseconds=REACH_US)
    return [
        [(price / price.shift(1) - 1.0).log1p().alias("r")],
        [
            std.alias("std_count"),
            pl.when(full).then(std_time).alias("std_time"),
            ((r - r.rolling_mean(COUNT).shift(1)) / std.shift(1)).alias("z"),
        ],
    ]
