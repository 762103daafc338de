from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.bars import BarBuilder
from pipeline.closed_bars import ClosedBars
from pipeline.marks import ENDED, NEVER
from pipeline.trade_columns import TradeColumns
from tests.pipeline.trades import bars_frame, trade_columns

S = 1_000_000


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
    *trades: tuple[float, float, float],
    first_id: int = 1,
    symbol: int = 0,
    after_loss: Sequence[bool] = (),
) -> TradeColumns:
    """Trades of (seconds, price, quantity)."""
    return trade_columns(
        [(symbol, first_id + at, *trade) for at, trade in enumerate(trades)], after_loss=after_loss
    )


def push(bars: BarBuilder, trades: TradeColumns, *clock_s: float, lost: bool = False) -> ClosedBars:
    symbols = len(bars._names)
    clock = [round(second * S) for second in clock_s] or [NEVER] * symbols
    return bars.push(trades, np.array(clock), np.full(symbols, lost))


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
    """(3): beyond the reorder horizon."""
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
    assert closed.prices[:, 2].tolist() == [5.0, 5.0, 5.0, 5.0]
    assert np.isnan(closed.prices[:, 3]).all()
    assert all(row.flags.c_contiguous for row in closed.prices)
    assert closed.trades.tolist() == [1, 0, 0, 0, 1, 0]


def test_clock_closes_bars_without_a_trade_and_never_goes_back() -> None:
    bars = builder()
    push(bars, rows((10.5, 5.0, 1.0)))
    assert closes(push(bars, rows(), 11.24)) == []
    assert closes(push(bars, rows(), 11.25)) == [(10, 5.0, 1)]
    assert closes(push(bars, rows(), 3.0)) == []


def test_clock_of_one_symbol_leaves_the_others_alone() -> None:
    bars = builder(2)
    both = TradeColumns.join([rows((10.5, 5.0, 1.0)), rows((10.6, 7.0, 1.0), symbol=1)])
    closed = bars.push(both, np.array([NEVER, 12 * S]), np.zeros(2, dtype=np.bool_))
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
    trades = rows(
        (9.5, 1.0, 1.0),
        (10.5, 1.0, 1.0),
        (12.5, 2.0, 1.0),
        (14.0, 2.0, 1.0),
        after_loss=[False, False, True, False],
    )
    closed = push(builder(), trades, 16.0)
    assert closed.complete.tolist() == [True, False, False, False, True, True]
    assert closed.frame["complete"].to_list() == closed.complete.tolist()


def test_two_losses_in_a_row_leave_every_bar_between_them_incomplete() -> None:
    trades = rows(
        (10.5, 1.0, 1.0),
        (10.9, 2.0, 1.0),
        (11.1, 2.0, 1.0),
        (13.0, 2.0, 1.0),
        after_loss=[False, True, True, False],
    )
    closed = push(builder(), trades, 14.0)
    assert closed.complete.tolist() == [False, False, True]


def test_anchor_continues_from_the_close_before() -> None:
    bars = builder()
    bars.extend(bars_frame((19, 5.0, 1), symbol="S0"), pl.Enum(["S0"]))
    closed = push(bars, rows((22.5, 6.0, 1.0)), 24.25)
    assert closes(closed) == [(20, 5.0, 0), (21, 5.0, 0), (22, 6.0, 1), (23, 6.0, 0)]


def test_anchor_without_a_close_publishes_nothing_before_the_first_trade() -> None:
    bars = builder()
    bars.anchor(0, 20 * S)
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
    """(12): parts of a bar merge the same however they are grouped."""
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
    edges = [0, *cuts, count]
    parts = [push(bars, trades.take(slice(*edge))).frame for edge in itertools.pairwise(edges)]
    parts.append(push(bars, rows(), float(times[-1]) + 5).frame)
    assert_frame_equal(pl.concat(parts), whole, check_exact=True)


def test_loss_while_the_last_one_is_not_published_leaves_that_one_incomplete() -> None:
    # The first loss ends in step 11, which is open when the second one starts from step 12.
    trades = rows(
        (10.5, 1.0, 1.0),
        (11.3, 1.0, 1.0),
        (12.1, 2.0, 1.0),
        (12.2, 2.0, 1.0),
        after_loss=[False, True, False, True],
    )
    assert push(builder(), trades, 14.25).complete.tolist() == [False, False, False, True]


def test_loss_before_a_trade_of_an_earlier_step_leaves_the_later_one_incomplete() -> None:
    trades = rows(
        (10.5, 1.0, 1.0), (12.1, 1.0, 1.0), (11.9, 2.0, 1.0), after_loss=[False, True, True]
    )
    closed = push(builder(), trades, 14.25)
    assert closed.late.tolist() == [0]
    assert closed.complete.tolist() == [False, False, False, True]


def test_lost_tail_makes_every_bar_incomplete_up_to_the_next_trade() -> None:
    bars = builder()
    push(bars, rows((10.1, 5.0, 1.0), (10.5, 5.0, 1.0)))
    assert push(bars, rows(), 13.25, lost=True).complete.tolist() == [False, False, False]
    after = rows((14.5, 6.0, 1.0), first_id=9, after_loss=[True])
    closed = push(bars, after, 17.25)
    assert closed.frame["last_id"].to_list() == [None, 9, None, None]
    assert closed.complete.tolist() == [False, False, True, True]


def test_lost_tail_while_the_last_loss_is_not_published_leaves_that_one_incomplete() -> None:
    bars = builder()
    trades = rows(
        (10.5, 1.0, 1.0), (11.3, 1.0, 1.0), (12.1, 2.0, 1.0), after_loss=[False, True, False]
    )
    assert push(bars, trades).complete.tolist() == [False]
    assert push(bars, rows(), 14.25, lost=True).complete.tolist() == [False, False, False]


def test_lost_tail_before_the_first_trade_starts_at_the_anchor() -> None:
    bars = builder()
    bars.extend(bars_frame((19, 5.0, 1), symbol="S0"), pl.Enum(["S0"]))
    assert push(bars, rows(), 22.25, lost=True).complete.tolist() == [False, False]


def test_loss_after_all_of_the_last_one_was_published_starts_anew() -> None:
    # Step 13 lies between the losses, and is still open at the second one.
    trades = rows(
        *[(at, 1.0, 1.0) for at in (10.5, 11.5, 13.5, 14.1, 14.2)],
        after_loss=[False, True, False, False, True],
    )
    closed = push(builder(), trades, 16.25)
    assert closed.complete.tolist() == [False, False, True, True, False, True]


def test_end_closes_what_is_open_up_to_the_newest_trade_wherever_the_clock_is() -> None:
    bars = builder(lateness_us=2 * S)
    assert closes(push(bars, rows((10.5, 1.0, 1.0), (12.5, 2.0, 1.0), (11.5, 3.0, 1.0)))) == []
    ended = bars.push(rows(), np.array([ENDED]), np.zeros(1, dtype=np.bool_))
    assert closes(ended) == [(10, 1.0, 1), (11, 3.0, 1), (12, 2.0, 1)]
    again = bars.push(rows(), np.array([ENDED]), np.zeros(1, dtype=np.bool_))
    assert closes(again) == []


def test_many_more_bars_than_trades_all_find_room() -> None:
    bars = builder(silence_us=1000 * S)
    closed = push(bars, rows((10.5, 1.0, 1.0), (500.5, 2.0, 1.0)), 1000.25)
    assert [step for step, _, _ in closes(closed)] == list(range(10, 1000))


def test_relist_breaks_the_series_by_one_bar_without_a_price() -> None:
    bars = builder(lateness_us=0)
    assert bars.relist(0).frame.height == 0
    push(bars, rows((10.5, 5.0, 1.0)))
    bars.push(rows(), np.array([ENDED]), np.array([True]))
    row = bars.relist(0).frame.drop("symbol").row(0, named=True)
    assert row["open_time"].timestamp() == 11
    assert [row[name] for name in ("open", "high", "low", "close")] == [None] * 4
    assert (row["volume"], row["trades"], row["first_id"], row["complete"]) == (0.0, 0, None, False)
    # Nothing is filled from before, nothing is incomplete any more, and step 11 is over.
    assert closes(push(bars, rows(), 14.0)) == []
    closed = push(bars, rows((11.5, 6.0, 1.0), (15.5, 6.0, 1.0)), 17.0)
    assert closes(closed) == [(15, 6.0, 1), (16, 6.0, 0)]
    assert (closed.late.tolist(), closed.complete.tolist()) == ([1], [True, True])


def test_restore_of_a_snapshot_forgets_what_was_there() -> None:
    one, other = builder(lateness_us=2 * S), builder(lateness_us=2 * S)
    push(one, rows((10.5, 1.0, 1.0), (11.5, 2.0, 1.0)))
    push(other, rows((10.5, 7.0, 1.0), (12.5, 8.0, 1.0)))
    other.restore(0, one.snapshot(0))
    expected = push(one, rows((11.9, 2.0, 1.0), first_id=3), 14.0)
    assert_frame_equal(push(other, rows((11.9, 2.0, 1.0), first_id=3), 14.0).frame, expected.frame)


def test_loss_in_an_earlier_step_than_one_not_published_leaves_both_incomplete() -> None:
    # Trades of step 12 come after the loss in step 13; the second loss is among them.
    trades = rows(
        *[(at, 1.0, 1.0) for at in (11.5, 13.0, 13.1, 12.5, 12.6)],
        after_loss=[False, False, True, False, True],
    )
    closed = push(builder(), trades, 15.25)
    assert closed.complete.tolist() == [True, False, False, True]


def test_loss_between_a_trade_and_one_of_an_earlier_step_leaves_both_incomplete() -> None:
    times = (11.5, 13.0, 12.5)
    trades = rows(*[(at, 1.0, 1.0) for at in times], after_loss=[False, False, True])
    closed = push(builder(), trades, 15.25)
    assert closed.complete.tolist() == [True, False, False, True]


def test_lost_tail_that_ends_in_an_earlier_step_keeps_the_later_ones_incomplete() -> None:
    bars = builder()
    times = (11.5, 12.9, 13.1, 12.8)
    first = rows(*[(at, 1.0, 1.0) for at in times], after_loss=[False, False, True, False])
    push(bars, first, lost=True)
    closed = push(bars, rows((12.7, 1.0, 1.0), first_id=9, after_loss=[True]), 15.25)
    assert closed.complete.tolist() == [False, False, True]
