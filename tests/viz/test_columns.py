from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl

from pipeline.durations import SECOND
from viz.columns import detail_columns, spark_columns

SYMBOLS = pl.Enum(["AAA", "BBB"])


def rows(
    seconds: list[int],
    *,
    symbol: str = "BBB",
    volatility: float | None = 0.5,
    change: tuple[int, ...] | None = None,
) -> pl.DataFrame:
    times = [dt.datetime(2025, 1, 1, 0, 0, second, tzinfo=dt.UTC) for second in seconds]
    return pl.DataFrame(
        {
            "symbol": [symbol] * len(times),
            "open_time": times,
            "close": [100.0] * len(times),
            "volatility": [volatility] * len(times),
            "score": [2.0] * len(times),
            "direction": [-1] * len(times),
            "regime_change": [0] * len(times) if change is None else change,
        },
        schema_overrides={"symbol": SYMBOLS, "volatility": pl.Float64, "direction": pl.Int8},
    )


def test_spark_columns_name_the_symbol_by_its_place_in_the_plan() -> None:
    columns = spark_columns(rows([0, 1]))
    # 2025-01-01 00:00:00 UTC in milliseconds.
    assert columns == {"i": [1, 1], "t": [1735689600000.0, 1735689601000.0], "v": [0.5, 0.5]}


def test_spark_columns_with_unknown_volatility_are_nan() -> None:
    assert math.isnan(spark_columns(rows([0], volatility=None))["v"][0])


def test_spark_columns_of_many_rows_are_small_arrays() -> None:
    columns = spark_columns(pl.concat([rows([0])] * 65))
    assert [columns[name].dtype for name in "itv"] == [np.uint16, np.float64, np.float32]


def test_detail_columns_sign_the_score_by_its_direction() -> None:
    assert detail_columns(rows([0]), every_us=SECOND)["z"] == [-2.0]


def test_detail_columns_with_a_missing_step_break_the_line_once() -> None:
    columns = detail_columns(rows([0, 1, 5]), every_us=SECOND)
    assert [time - 1735689600000.0 for time in columns["t"]] == [0, 1000, 2000, 5000]
    assert [math.isnan(value) for value in columns["price"]] == [False, False, True, False]
    assert [math.isnan(value) for value in columns["z"]] == [False, False, True, False]


def test_detail_columns_in_any_order_come_out_in_time_order() -> None:
    columns = detail_columns(rows([2, 0, 1]), every_us=SECOND)
    assert [time - 1735689600000.0 for time in columns["t"]] == [0, 1000, 2000]


def test_detail_columns_after_a_gap_to_what_was_sent_break_the_line() -> None:
    columns = detail_columns(rows([4]), every_us=SECOND, after_ms=1735689600000.0)
    assert [time - 1735689600000.0 for time in columns["t"]] == [1000, 4000]


def test_detail_columns_right_after_what_was_sent_join_it() -> None:
    columns = detail_columns(rows([1]), every_us=SECOND, after_ms=1735689600000.0)
    assert columns["t"] == [1735689601000.0]


def test_detail_columns_have_the_volatility_where_it_rose_and_where_it_fell() -> None:
    columns = detail_columns(rows([0, 1, 2], change=(1, 0, -1)), every_us=SECOND)
    assert columns["risen"][0] == columns["fallen"][2] == 0.5
    assert [math.isnan(value) for value in columns["risen"]] == [False, True, True]
    assert [math.isnan(value) for value in columns["fallen"]] == [True, True, False]


def test_detail_columns_without_rows_are_empty() -> None:
    assert detail_columns(rows([]), every_us=SECOND) == {
        "t": [],
        "price": [],
        "volatility": [],
        "z": [],
        "risen": [],
        "fallen": [],
    }
