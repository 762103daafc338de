"""Bars that a venue made, on our grid: every step present, prices filled while they hold."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.bars import BarBuilder
from pipeline.closed_bars import ClosedBars
from pipeline.marks import NEVER
from pipeline.schema import BARS
from tests.pipeline.trades import bars_frame, trade_columns

S = 1_000_000
SYMBOLS = pl.Enum(["AUSDT", "BUSDT"])
NOTHING_LOST = np.zeros(2, dtype=np.bool_)


def builder() -> BarBuilder:
    return BarBuilder(
        SYMBOLS.categories,
        every_us=S,
        lateness_us=250_000,
        forward_fill_us=2 * S,
        silence_us=4 * S,
    )


def extend(*rows: tuple[int, float, int]) -> ClosedBars:
    return builder().extend(bars_frame(*rows), SYMBOLS)


def told(closed: ClosedBars) -> list[tuple[int, float | None, int | None]]:
    assert closed.frame.schema == BARS
    seconds = (closed.open_us // S).tolist()
    return list(
        zip(seconds, closed.frame["close"].to_list(), closed.frame["trades"].to_list(), strict=True)
    )


def test_extend_adds_missing_steps_and_fills_prices_while_they_hold() -> None:
    assert told(extend((10, 5.0, 1), (15, 6.0, 2))) == [
        (10, 5.0, 1),
        (11, 5.0, 0),
        (12, 5.0, 0),
        (13, None, 0),
        (14, None, 0),
        (15, 6.0, 2),
    ]


def test_extend_takes_away_prices_that_a_venue_repeats_for_too_long() -> None:
    rows = told(extend((10, 5.0, 1), (11, 7.0, 0), (12, 7.0, 0), (13, 7.0, 0)))
    assert rows == [(10, 5.0, 1), (11, 5.0, 0), (12, 5.0, 0), (13, None, 0)]


def test_extend_publishes_nothing_before_the_first_trade() -> None:
    assert told(extend((10, 5.0, 0), (11, 6.0, 1))) == [(11, 6.0, 1)]


def test_extend_after_a_silence_goes_on_with_the_next_traded_bar() -> None:
    rows = told(extend((10, 5.0, 1), (20, 5.0, 0), (1_000_000, 6.0, 1)))
    assert [second for second, _, _ in rows] == [10, 11, 12, 13, 14, 1_000_000]


def test_extend_by_nothing_is_nothing() -> None:
    assert told(extend()) == []


def test_extend_takes_missing_steps_for_complete_and_others_as_they_are() -> None:
    frame = bars_frame((10, 5.0, 1), (12, 6.0, 0), (13, 6.0, 2))
    closed = builder().extend(frame.with_columns(complete=pl.col("close") < 6), SYMBOLS)
    assert closed.complete.tolist() == [True, True, False, False]
    assert closed.frame.drop("open_time").row(1, named=True) == {
        "symbol": "AUSDT",
        "open": 5.0,
        "high": 5.0,
        "low": 5.0,
        "close": 5.0,
        "volume": 0.0,
        "notional": 0.0,
        "trades": 0,
        "first_id": None,
        "last_id": None,
        "complete": True,
        "revision": 0,
    }


def test_extend_keeps_what_a_venue_does_not_tell_unknown() -> None:
    frame = bars_frame((10, 5.0, 3), (11, 5.0, 0)).with_columns(
        pl.lit(None, pl.Int64).alias("trades"),
        pl.lit(None, pl.Float64).alias("notional"),
        pl.lit(7.0).alias("high"),
        pl.lit(2.0).alias("low"),
        pl.lit(4.0).alias("open"),
        pl.Series("first_id", [70, None], dtype=pl.Int64),
        pl.Series("last_id", [72, None], dtype=pl.Int64),
    )
    closed = builder().extend(frame, SYMBOLS)
    assert closed.trades.tolist() == [-1, 0]
    assert closed.prices[:, 0].tolist() == [4.0, 7.0, 2.0, 5.0]
    names = ("high", "volume", "notional", "trades", "first_id", "last_id")
    assert closed.frame.select(names).rows() == [
        (7.0, 3.0, None, None, 70, 72),
        (5.0, 0.0, 0.0, 0, None, None),
    ]


def test_extend_by_a_bar_that_is_not_new_counts_it_and_changes_nothing() -> None:
    bars = builder()
    bars.extend(bars_frame((10, 5.0, 1), (12, 6.0, 1), symbol="BUSDT"), SYMBOLS)
    closed = bars.extend(
        bars_frame((11, 9.0, 1), (12, 9.0, 1), (13, 7.0, 1), symbol="BUSDT"), SYMBOLS
    )
    assert closed.late.tolist() == [0, 2]
    assert told(closed) == [(13, 7.0, 1)]


def test_push_after_extend_continues_from_its_last_close() -> None:
    bars = builder()
    bars.extend(bars_frame((10, 5.0, 1)), SYMBOLS)
    closed = bars.push(
        trade_columns([(0, 1, 12.5, 6.0, 1.0)]), np.array([14_250_000, NEVER]), NOTHING_LOST
    )
    assert told(closed) == [(11, 5.0, 0), (12, 6.0, 1), (13, 6.0, 0)]
    late = bars.push(trade_columns([(0, 2, 10.5, 6.0, 1.0)]), np.full(2, NEVER), NOTHING_LOST)
    assert late.late.tolist() == [1, 0]


rows = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(0, 2)), min_size=1, max_size=30
)


@given(one=rows, other=rows, data=st.data())
def test_extend_in_any_cut_with_any_restart_says_the_same(
    one: list[tuple[int, int, int]], other: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    parts = []
    for symbol, steps in zip(SYMBOLS.categories, (one, other), strict=True):
        seconds = itertools.accumulate(step for step, _, _ in steps)
        bars = [(at, float(c), n) for at, (_, c, n) in zip(seconds, steps, strict=True)]
        parts.append(bars_frame(*bars, symbol=symbol))
    frame = pl.concat(parts).sort("open_time", maintain_order=True)
    cuts = sorted(data.draw(st.lists(st.integers(0, frame.height), max_size=5)))
    bars, frames = builder(), []
    for start, end in itertools.pairwise([0, *cuts, frame.height]):
        frames.append(bars.extend(frame.slice(start, end - start), SYMBOLS).frame)
        saved, bars = [bars.snapshot(at) for at in range(2)], builder()
        for at in range(2):
            bars.restore(at, saved[at])
    whole = builder().extend(frame, SYMBOLS).frame
    assert_frame_equal(pl.concat(frames), whole, check_exact=True)
