from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from pipeline.durations import DAY, MINUTE, SECOND
from pipeline.exchange.klines import INTERVALS, SecondBars, floor_time
from pipeline.exchange.wire import kline_row
from pipeline.market import SyntheticMarket

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.exchange.trades import Trades
    from pipeline.exchange.venue import Exchange

T0_US = 1_700_000_040_000_000


def rows(exchange: Exchange, every_us: int, first_us: int, last_us: int) -> list[list[int | str]]:
    market = exchange.markets["ABCUSDT"]
    bars = market.bars.bars(every_us, first_us, last_us).T.tolist()
    return [kline_row(market.listing, bar, every_us, 1000) for bar in bars]


def test_klines_of_a_minute_hold_what_was_traded_in_it(issue: Callable[[int], Exchange]) -> None:
    found = rows(issue(62), MINUTE, T0_US, T0_US + MINUTE)

    # 1.5 x 100.01 + 1 x 100 + 0.002 x 99.99 = 250.21498
    assert found == [
        [
            1_700_000_040_000,
            "100.00000000",
            "100.01000000",
            "99.99000000",
            "99.99000000",
            "2.50200000",
            1_700_000_099_999,
            "250.21498000",
            5,
            "2.50000000",
            "250.01500000",
            "0",
        ],
        [
            1_700_000_100_000,
            "100.02000000",
            "100.02000000",
            "100.02000000",
            "100.02000000",
            "3.00000000",
            1_700_000_159_999,
            "300.06000000",
            1,
            "0.00000000",
            "0.00000000",
            "0",
        ],
    ]


def test_klines_without_a_trade_are_flat_at_the_close_before(
    issue: Callable[[int], Exchange],
) -> None:
    found = rows(issue(62), SECOND, T0_US + SECOND, T0_US + 3 * SECOND)

    assert [row[1:6] for row in found] == [
        ["100.01000000"] * 4 + ["0.00000000"],
        ["99.99000000"] * 4 + ["0.00200000"],
        ["99.99000000"] * 4 + ["0.00000000"],
    ]


def test_klines_begin_with_the_first_trade(issue: Callable[[int], Exchange]) -> None:
    found = rows(issue(62), SECOND, T0_US - 10 * SECOND, T0_US + SECOND)
    assert [row[0] for row in found] == [1_700_000_040_000, 1_700_000_041_000]


def test_klines_before_the_first_trade_are_none(issue: Callable[[int], Exchange]) -> None:
    assert rows(issue(0), SECOND, T0_US, T0_US + SECOND) == []
    assert rows(issue(62), SECOND, T0_US - 9 * SECOND, T0_US - 5 * SECOND) == []


def test_klines_equal_bars_recomputed_from_the_trades() -> None:
    start_us = 1_760_000_000_000_000
    source = SyntheticMarket(["SOLUSDT"], seed=3, start_us=start_us, history_us=0)
    bars = SecondBars(source.listings[0])
    parts: list[Trades] = []
    for step in range(1, 61):
        trades = source.advance(start_us + step * 7 * SECOND)["SOLUSDT"]
        bars.add(trades)
        parts.append(trades)
    made = np.concatenate([part.columns for part in parts], axis=1).T.tolist()

    found = bars.bars(MINUTE, floor_time(start_us, MINUTE), start_us + 7 * MINUTE).T.tolist()

    assert len(found) == 8
    for bar in found:
        row = kline_row(source.listings[0], bar, MINUTE, 1)
        inside = [one for one in made if bar[0] <= one[3] < bar[0] + MINUTE]
        prices = [one[4] for one in inside]
        notional = sum(Decimal(one[4]) * one[5] for one in inside) / 10**16
        assert bar[1:5] == [prices[0], max(prices), min(prices), prices[-1]]
        assert Decimal(str(row[5])) == Decimal(sum(one[5] for one in inside)) / 10**8
        assert Decimal(str(row[7])) == notional
        assert row[8] == sum(one[2] - one[1] + 1 for one in inside)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=20))
def test_bars_are_the_same_however_their_trades_are_cut(cuts: list[int]) -> None:
    start_us = 1_760_000_000_000_000
    source = SyntheticMarket(["SOLUSDT"], seed=3, start_us=start_us, history_us=0)
    trades = source.advance(start_us + 30 * SECOND)["SOLUSDT"]
    whole, cut = SecondBars(source.listings[0]), SecondBars(source.listings[0])

    whole.add(trades)
    edges = sorted({0, len(trades), *(min(at, len(trades)) for at in cuts)})
    for low, high in itertools.pairwise(edges):
        cut.add(trades[low:high])

    window = (SECOND, start_us, start_us + 30 * SECOND)
    assert np.array_equal(whole.bars(*window), cut.bars(*window))


def test_weeks_start_on_mondays_and_other_bars_at_the_epoch() -> None:
    # 2023-11-14 was a Tuesday.
    assert floor_time(T0_US, INTERVALS["1w"]) == 1_699_833_600_000_000
    assert floor_time(T0_US, INTERVALS["1d"]) == 1_699_920_000_000_000


def test_day_is_the_sum_of_the_last_24_hours(issue: Callable[[int], Exchange]) -> None:
    market = issue(62).markets["ABCUSDT"]

    day = market.day(T0_US + 62 * SECOND)
    later = market.day(T0_US + DAY + 10 * SECOND)

    assert day is not None
    assert day.bar.tolist()[8:10] == [101, 106]
    assert day.previous_close_e8 == 10_000_000_000
    assert later is not None
    assert later.bar.tolist()[8:10] == [106, 106]
    assert later.previous_close_e8 == 9_999_000_000
    assert market.day(T0_US + 2 * DAY) is None
