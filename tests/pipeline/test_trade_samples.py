from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.closed_bars import ClosedBars
from pipeline.marks import NEVER
from pipeline.schema import BARS
from pipeline.trade_columns import TradeColumns
from pipeline.trade_samples import TradeSamples
from tests.pipeline.trades import bars_frame, trade_columns

S = 1_000_000
SYMBOLS = pl.Enum(["AUSDT", "BUSDT"])


def samples() -> TradeSamples:
    return TradeSamples(SYMBOLS.categories, lateness_us=250_000)


def push(made: TradeSamples, trades: TradeColumns, *, lost: bool = False) -> ClosedBars:
    return made.push(trades, np.full(2, NEVER), np.array([lost, False]))


def test_every_trade_becomes_one_bar_of_its_own_price_and_id() -> None:
    trades = trade_columns([(1, 7, 10.123456, 5.0, 0.3), (0, 3, 11.0, 0.1, 3.0)])
    closed = push(samples(), trades)
    assert closed.frame.schema == BARS
    assert closed.frame.drop("open_time", "revision").rows() == [
        ("BUSDT", 5.0, 5.0, 5.0, 5.0, 0.3, 1.5, 1, 7, 7, True),
        ("AUSDT", 0.1, 0.1, 0.1, 0.1, 3.0, 0.3, 1, 3, 3, True),
    ]
    assert closed.open_us.tolist() == [10_123_456, 11_000_000]
    assert closed.symbol_index.tolist() == [1, 0]
    assert closed.trades.tolist() == [1, 1]


def test_time_never_goes_back_and_what_is_much_older_is_late() -> None:
    made = samples()
    seconds = [10.0, 9.75, 9.749999, 10.5, 10.4]
    closed = push(made, trade_columns([(0, at, s, 1.0 + at, 1.0) for at, s in enumerate(seconds)]))
    assert closed.open_us.tolist() == [10 * S, 10 * S, 10_500_000, 10_500_000]
    assert closed.frame["last_id"].to_list() == [0, 1, 3, 4]
    assert closed.late.tolist() == [1, 0]


def test_trade_after_a_loss_is_incomplete_and_so_is_the_next_when_it_is_late() -> None:
    made = samples()
    times = [(1, 10.0), (3, 11.0), (5, 9.0), (6, 12.0)]
    rows = [(0, at, seconds, 1.0, 1.0) for at, seconds in times]
    closed = push(made, trade_columns(rows, after_loss=[False, True, True, False]))
    assert closed.frame.select("last_id", "complete").rows() == [(1, True), (3, False), (6, False)]
    push(made, trade_columns([]), lost=True)
    closed = push(made, trade_columns([(0, 9, 13.0, 1.0, 1.0), (0, 10, 13.0, 1.0, 1.0)]))
    assert closed.complete.tolist() == [False, True]


def test_anchor_says_before_which_time_no_trade_is_expected() -> None:
    made = samples()
    made.anchor(0, 20 * S)
    closed = push(made, trade_columns([(0, 1, 19.0, 1.0, 1.0), (0, 2, 19.9, 1.0, 1.0)]))
    assert (closed.late.tolist(), closed.open_us.tolist()) == ([1, 0], [20 * S])


def test_relist_breaks_the_series_by_one_bar_without_a_price() -> None:
    made = samples()
    assert made.relist(0).frame.height == 0
    push(made, trade_columns([(0, 1, 10.0, 5.0, 1.0)]), lost=True)
    row = made.relist(0).frame.drop("symbol", "open_time").row(0, named=True)
    assert row["close"] is None
    assert (row["volume"], row["trades"], row["last_id"], row["complete"]) == (0.0, 0, None, False)
    assert push(made, trade_columns([(0, 1, 20.0, 5.0, 1.0)])).complete.tolist() == [True]


def test_extend_takes_no_bars() -> None:
    assert samples().extend(bars_frame(), SYMBOLS).frame.schema == BARS
    with pytest.raises(ValueError, match="expected trades, each to be a sample, found 2 bars"):
        samples().extend(bars_frame((1, 2.0, 3), (2, 2.0, 3)), SYMBOLS)


@given(st.data())
def test_samples_of_any_cut_with_any_restart_are_the_same(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    step = st.sampled_from([-0.4, -0.1, 0.0, 0.2, 3.0])
    steps = data.draw(st.lists(step, min_size=count, max_size=count))
    lost = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    seconds = 100 + np.cumsum(steps)
    rows = [(at % 2, at, float(seconds[at]), 1.0 + at, 0.1 * (at + 1)) for at in range(count)]
    trades = trade_columns(rows, after_loss=lost)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=5)))
    made, parts = samples(), []
    for start, end in itertools.pairwise([0, *cuts, count]):
        parts.append(push(made, trades.take(slice(start, end))).frame)
        saved, made = [made.snapshot(at) for at in range(2)], samples()
        for at in range(2):
            made.restore(at, saved[at])
    assert_frame_equal(pl.concat(parts), push(samples(), trades).frame, check_exact=True)
