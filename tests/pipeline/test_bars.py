from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from pipeline.bars import TRADE_ROW, BarBuilder, ClosedBars

S = 1_000_000
NEVER = np.iinfo(np.int64).min


def builder(
    symbols: int = 1, *, lateness_us: int = 250_000, silence_us: int = 60 * S
) -> BarBuilder:
    return BarBuilder(
        [f"S{at}" for at in range(symbols)],
        every_us=S,
        lateness_us=lateness_us,
        forward_fill_us=2 * S,
        silence_us=silence_us,
    )


def rows(
    *trades: tuple[float, float, float], first_id: int = 1, symbol: int = 0
) -> NDArray[np.void]:
    """Rows of (seconds, price, quantity)."""
    array = np.zeros(len(trades), dtype=TRADE_ROW)
    for at, (seconds, price, quantity) in enumerate(trades):
        array[at]["trade_id"] = first_id + at
        array[at]["event_us"] = round(seconds * S)
        array[at]["price"], array[at]["quantity"] = price, quantity
        array[at]["symbol_index"] = symbol
    return array


def push(bars: BarBuilder, trades: NDArray[np.void], *clock_s: float) -> ClosedBars:
    clock = [round(second * S) for second in clock_s] or [NEVER] * len(bars._symbols)
    return bars.push(trades, np.array(clock))


def closes(closed: ClosedBars) -> list[tuple[int, float | None, int]]:
    return list(
        zip(
            (closed.open_us // S).tolist(),
            closed.frame["close"].to_list(),
            closed.frame["trades"].to_list(),
            strict=True,
        )
    )


def test_bar_of_trades_has_open_high_low_close_and_exact_sums() -> None:
    closed = push(
        builder(), rows((10.1, 5.0, 0.1), (10.2, 7.0, 0.2), (10.9, 4.0, 0.3), (11.3, 6.0, 1.0))
    )
    assert closed.frame.drop("open_time").row(0, named=True) == {
        "symbol": "S0",
        "open": 5.0,
        "high": 7.0,
        "low": 4.0,
        "close": 4.0,
        "volume": 0.6,  # 0.1 + 0.2 + 0.3 is not, in floats
        "notional": 3.1,
        "trades": 3,
        "first_id": 1,
        "last_id": 3,
        "complete": True,
        "revision": 0,
    }
    assert closed.frame["open_time"].to_physical().to_list() == [10 * S]
    assert closed.frame.height == 1


def test_bar_waits_for_its_lateness_and_takes_trades_that_come_within_it() -> None:
    bars = builder()
    assert closes(push(bars, rows((10.5, 1.0, 1.0), (11.2, 2.0, 1.0)))) == []
    assert closes(push(bars, rows((10.9, 3.0, 1.0), first_id=3))) == []
    assert closes(push(bars, rows((11.25, 2.0, 1.0), first_id=4))) == [(10, 3.0, 2)]


def test_trade_of_a_closed_bar_is_late_and_changes_nothing() -> None:
    bars = builder()
    push(bars, rows((10.5, 1.0, 1.0), (11.25, 2.0, 1.0)))
    closed = push(bars, rows((10.9, 9.0, 1.0), (12.25, 4.0, 1.0), first_id=3))
    assert closed.late.tolist() == [1]
    assert closes(closed) == [(11, 2.0, 1)]


def test_step_without_trades_repeats_the_close_then_has_no_price() -> None:
    closed = push(builder(), rows((10.5, 5.0, 1.0), (14.9, 6.0, 1.0)), 16.25)
    assert closes(closed) == [
        (10, 5.0, 1),
        (11, 5.0, 0),
        (12, 5.0, 0),
        (13, None, 0),
        (14, 6.0, 1),
        (15, 6.0, 0),
    ]
    quiet = closed.frame.row(1, named=True)
    assert (quiet["open"], quiet["high"], quiet["low"], quiet["volume"]) == (5.0, 5.0, 5.0, 0.0)
    assert (quiet["first_id"], quiet["last_id"]) == (None, None)
    assert closed.close[:4].tolist()[:3] == [5.0, 5.0, 5.0]
    assert np.isnan(closed.close[3])


def test_clock_closes_bars_without_a_trade_and_never_goes_back() -> None:
    bars = builder()
    push(bars, rows((10.5, 5.0, 1.0)))
    assert closes(push(bars, rows(), 11.24)) == []
    assert closes(push(bars, rows(), 11.25)) == [(10, 5.0, 1)]
    assert closes(push(bars, rows(), 3.0)) == []


def test_clock_of_one_symbol_leaves_the_others_alone() -> None:
    bars = builder(2)
    both = np.concatenate([rows((10.5, 5.0, 1.0)), rows((10.6, 7.0, 1.0), symbol=1)])
    closed = bars.push(both, np.array([NEVER, 12 * S]))
    assert closed.frame["symbol"].to_list() == ["S1"]


def test_silence_publishes_up_to_its_limit_and_goes_on_with_the_next_trade() -> None:
    bars = builder(silence_us=3 * S)
    first = push(bars, rows((10.5, 5.0, 1.0)), 1_000_000.0)
    assert [step for step, _, _ in closes(first)] == [10, 11, 12, 13]
    again = push(bars, rows((1_000_005.5, 6.0, 1.0)), 1_000_007.25)
    assert closes(again) == [(1_000_005, 6.0, 1), (1_000_006, 6.0, 0)]


def test_trade_far_ahead_costs_no_more_than_the_silence_before_it() -> None:
    bars = builder(silence_us=3 * S)
    closed = push(bars, rows((10.5, 5.0, 1.0), (1e9, 6.0, 1.0), (2e9, 7.0, 1.0)))
    assert [step for step, _, _ in closes(closed)] == [
        10, 11, 12, 13, 1_000_000_000, 1_000_000_001, 1_000_000_002, 1_000_000_003,
    ]  # fmt: skip


def test_loss_makes_the_bars_from_the_trade_before_to_the_one_after_incomplete() -> None:
    trades = rows((9.5, 1.0, 1.0), (10.5, 1.0, 1.0), (12.5, 2.0, 1.0), (14.0, 2.0, 1.0))
    trades["after_loss"] = [False, False, True, False]
    closed = push(builder(), trades, 16.0)
    assert closed.complete.tolist() == [True, False, False, False, True, True]
    assert closed.frame["complete"].to_list() == closed.complete.tolist()


def test_two_losses_in_a_row_leave_every_bar_between_them_incomplete() -> None:
    trades = rows((10.5, 1.0, 1.0), (10.9, 2.0, 1.0), (11.1, 2.0, 1.0), (13.0, 2.0, 1.0))
    trades["after_loss"] = [False, True, True, False]
    closed = push(builder(), trades, 14.0)
    assert closed.complete.tolist() == [False, False, True]


def test_anchor_continues_from_the_close_before() -> None:
    bars = builder()
    bars.anchor(0, 20 * S, 5.0, 19 * S)
    closed = push(bars, rows((22.5, 6.0, 1.0)), 24.25)
    assert closes(closed) == [(20, 5.0, 0), (21, 5.0, 0), (22, 6.0, 1), (23, 6.0, 0)]


def test_anchor_without_a_close_publishes_nothing_before_the_first_trade() -> None:
    bars = builder()
    bars.anchor(0, 20 * S, np.nan, 0)
    assert closes(push(bars, rows(), 30.0)) == []
    assert closes(push(bars, rows((31.0, 6.0, 1.0)), 32.25)) == [(31, 6.0, 1)]


def test_volume_beyond_the_range_of_doubles_loses_nothing() -> None:
    # 100 trades of 9e9 units: 9e11 base units are 9e19 in units of 1e-8, more than 64 bits.
    trades = rows(*[(10.5, 1e-5, 9e9)] * 100, (12.0, 1e-5, 1.0))
    closed = push(builder(), trades)
    assert closed.frame["volume"][0] == 9e11
    assert closed.frame["notional"][0] == 9e6


@given(st.data())
def test_bars_of_any_cut_of_the_trades_are_the_same_bits(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 60))
    steps = data.draw(
        st.lists(st.sampled_from([0.0, 0.01, 0.3, 0.9, 2.5, 9.0]), min_size=count, max_size=count)
    )
    prices = data.draw(st.lists(st.integers(1, 10**9), min_size=count, max_size=count))
    sizes = data.draw(st.lists(st.integers(1, 10**12), min_size=count, max_size=count))
    times = 10 + np.cumsum(steps)
    trades = rows(*[(t, p / 1e4, q / 1e8) for t, p, q in zip(times, prices, sizes, strict=True)])
    whole = push(builder(), trades, float(times[-1]) + 5).frame
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=6)))
    bars = builder()
    parts = [push(bars, part).frame for part in np.split(trades, cuts)]
    parts.append(push(bars, rows(), float(times[-1]) + 5).frame)
    assert_frame_equal(pl.concat(parts), whole, check_exact=True)


def test_loss_while_the_last_one_is_not_published_leaves_that_one_incomplete() -> None:
    # The first loss ends in step 11, which is open when the second one starts from step 12.
    trades = rows((10.5, 1.0, 1.0), (11.3, 1.0, 1.0), (12.1, 2.0, 1.0), (12.2, 2.0, 1.0))
    trades["after_loss"] = [False, True, False, True]
    assert push(builder(), trades, 14.25).complete.tolist() == [False, False, False, True]


def test_loss_before_a_trade_of_an_earlier_step_leaves_the_later_one_incomplete() -> None:
    trades = rows((10.5, 1.0, 1.0), (12.1, 1.0, 1.0), (11.9, 2.0, 1.0))
    trades["after_loss"] = [False, True, True]
    closed = push(builder(), trades, 14.25)
    assert closed.late.tolist() == [0]
    assert closed.complete.tolist() == [False, False, False, True]


def test_lose_makes_every_bar_incomplete_up_to_the_next_trade() -> None:
    bars = builder()
    push(bars, rows((10.1, 5.0, 1.0), (10.5, 5.0, 1.0)))
    bars.lose(0)
    assert push(bars, rows(), 13.25).complete.tolist() == [False, False, False]
    after = rows((14.5, 6.0, 1.0), first_id=9)
    after["after_loss"] = True
    closed = push(bars, after, 17.25)
    assert closed.frame["last_id"].to_list() == [None, 9, None, None]
    assert closed.complete.tolist() == [False, False, True, True]


def test_lose_while_the_last_loss_is_not_published_leaves_that_one_incomplete() -> None:
    bars = builder()
    trades = rows((10.5, 1.0, 1.0), (11.3, 1.0, 1.0), (12.1, 2.0, 1.0))
    trades["after_loss"] = [False, True, False]
    assert push(bars, trades).complete.tolist() == [False]
    bars.lose(0)
    assert push(bars, rows(), 14.25).complete.tolist() == [False, False, False]


def test_lose_before_the_first_trade_starts_at_the_anchor() -> None:
    bars = builder()
    bars.anchor(0, 20 * S, 5.0, 19 * S)
    bars.lose(0)
    assert push(bars, rows(), 22.25).complete.tolist() == [False, False]


def test_loss_after_all_of_the_last_one_was_published_starts_anew() -> None:
    # Step 13 lies between the losses, and is still open at the second one.
    trades = rows(*[(at, 1.0, 1.0) for at in (10.5, 11.5, 13.5, 14.1, 14.2)])
    trades["after_loss"] = [False, True, False, False, True]
    closed = push(builder(), trades, 16.25)
    assert closed.complete.tolist() == [False, False, True, True, False, True]
