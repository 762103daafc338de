from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.durations import MINUTE, SECOND
from pipeline.latency import RecentLatencies, counted, measured, percentile_us
from pipeline.schema import BARS, TRADES


def one(duration_us: int) -> int | None:
    return percentile_us(counted(np.array([duration_us])), 0.5)


@pytest.mark.parametrize(
    ("duration_us", "upper_us"),
    [
        (-5, 0),
        (0, 0),
        (15, 15),
        (31, 31),
        (32, 33),
        (33, 33),
        (34, 35),
        (64, 67),
        (1_000, 1_023),
        (250_000, 253_951),
        (1 << 60, (1 << 35) - 1),
    ],
)
def test_percentile_of_one_is_the_end_of_its_bucket(duration_us: int, upper_us: int) -> None:
    assert one(duration_us) == upper_us


@given(st.integers(0, (1 << 34) - 1))
def test_percentile_is_at_most_a_sixteenth_above_the_truth(duration_us: int) -> None:
    found_us = one(duration_us)
    assert found_us is not None
    assert duration_us <= found_us <= duration_us * (1 + 1 / 16)


@given(st.lists(st.integers(0, 10**9), min_size=1), st.floats(0.01, 1.0))
def test_percentile_of_many_is_that_of_their_order(durations: list[int], fraction: float) -> None:
    rank = int(np.ceil(fraction * len(durations))) - 1
    true_us = sorted(durations)[rank]
    found_us = percentile_us(counted(np.array(durations)), fraction)
    assert found_us is not None
    assert true_us <= found_us <= true_us * (1 + 1 / 16)


@given(st.lists(st.integers(0, 10**9)), st.lists(st.integers(0, 10**9)))
def test_counts_add_up(some: list[int], others: list[int]) -> None:
    apart = counted(np.array(some, dtype=np.int64)) + counted(np.array(others, dtype=np.int64))
    assert apart == counted(np.array(some + others, dtype=np.int64))


def test_percentile_of_nothing_is_null() -> None:
    assert percentile_us(Counter(), 0.5) is None


def test_recent_latencies_are_those_of_the_last_minute_or_two() -> None:
    recent = RecentLatencies()
    start_us = 1_700_000_000 * SECOND
    recent.add({"receive": Counter({10: 99, 20: 1}), "apply": Counter({5: 1})}, start_us)
    assert recent.percentiles_ms(start_us) == {
        "receive": {"p50": 0.010, "p99": 0.010},
        "apply": {"p50": 0.005, "p99": 0.005},
    }
    recent.add({"receive": Counter({12: 300})}, start_us + MINUTE)
    assert recent.percentiles_ms(start_us + MINUTE)["receive"] == {"p50": 0.012, "p99": 0.012}
    assert list(recent.percentiles_ms(start_us + 2 * MINUTE)) == ["receive"]
    assert recent.percentiles_ms(start_us + 4 * MINUTE) == {}


def test_measured_legs_are_on_the_clocks_they_belong_to() -> None:
    start_us = 1_700_000_000 * SECOND
    # The venue is 10 us ahead: what it stamped at 30 was 20 here, and arrived at 25.
    trades = pl.DataFrame({"event_time": [start_us + 30], "receive_time": [start_us + 25]}).cast(
        {name: TRADES[name] for name in ("event_time", "receive_time")}
    )
    bars = pl.DataFrame({"open_time": [start_us - SECOND]}).cast({"open_time": BARS["open_time"]})
    now_us = start_us + 28
    took = measured(trades, bars, now_us=now_us, skew_us=10, step_us=SECOND)
    assert took == {"flush": Counter({3: 1}), "receive": Counter({5: 1}), "close": Counter({35: 1})}
    assert percentile_us(took["close"], 0.5) == 39  # 38, in a bucket of 2
    assert set(measured(trades, bars, now_us=now_us, skew_us=10, step_us=None)) == {
        "flush",
        "receive",
    }
    assert set(measured(trades, bars, now_us=now_us, skew_us=None, step_us=SECOND)) == {"flush"}
