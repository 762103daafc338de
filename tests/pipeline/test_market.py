from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.durations import HOUR, MINUTE, SECOND
from pipeline.errors import ConfigError
from pipeline.exchange.listings import DEMO_SYMBOLS
from pipeline.exchange.trades import Int64Array
from pipeline.market import HISTORY_TRADES_PER_S, SyntheticMarket

START_US = 1_760_000_000_000_000
PAIR = ("BTCUSDT", "TRXUSDT")


def market(**options: object) -> SyntheticMarket:
    settings_ = {"symbols": PAIR, "seed": 7, "start_us": START_US, "history_us": 0} | options
    return SyntheticMarket(**settings_)  # type: ignore[arg-type] - the test names the options


def columns(source: SyntheticMarket, *until_us: int) -> dict[str, Int64Array]:
    parts: dict[str, list[Int64Array]] = {}
    for until in until_us:
        for symbol, trades in source.advance(until).items():
            assert trades.time_us[-1] < until
            parts.setdefault(symbol, []).append(trades.columns)
    return {symbol: np.concatenate(runs, axis=1) for symbol, runs in parts.items()}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 20 * SECOND), max_size=30))
def test_market_cut_into_any_steps_gives_the_same_trades(cuts: list[int]) -> None:
    end_us = START_US + 20 * SECOND
    options = {"trades_per_s": 300.0, "history_us": 10 * SECOND}

    whole = columns(market(**options), end_us)
    cut = columns(market(**options), *(START_US + at for at in sorted(cuts)), end_us)

    assert whole.keys() == cut.keys() == set(PAIR)
    for symbol in PAIR:
        assert np.array_equal(whole[symbol], cut[symbol])


def test_market_with_another_seed_gives_other_trades() -> None:
    one = columns(market(seed=1), START_US + MINUTE)["BTCUSDT"]
    two = columns(market(seed=2), START_US + MINUTE)["BTCUSDT"]

    assert not np.array_equal(one[4, :50], two[4, :50])


def test_market_ids_of_trades_and_fills_are_contiguous_and_times_never_fall() -> None:
    for made in columns(market(), START_US + 5 * MINUTE, START_US + 10 * MINUTE).values():
        trade_id, first_id, last_id, time_us = made[:4]
        assert trade_id[0] == first_id[0] == 1
        assert (np.diff(trade_id) == 1).all()
        assert (first_id[1:] == last_id[:-1] + 1).all()
        assert (last_id >= first_id).all()
        assert (last_id > first_id).any()
        assert (np.diff(time_us) >= 0).all()


def test_market_prices_and_sizes_are_on_the_grids_of_the_listing() -> None:
    made = columns(market(), START_US + 5 * MINUTE)["TRXUSDT"]

    # TRXUSDT: ticks of 0.0001, lots of 0.1, at about 0.165.
    assert (made[4] % 10_000 == 0).all()
    assert (made[5] % 10_000_000 == 0).all()
    assert (made[5] > 0).all()
    assert 12_000_000 < made[4].min() <= made[4].max() < 21_000_000


def test_market_with_an_asked_rate_holds_it_over_all_symbols() -> None:
    made = columns(market(trades_per_s=20_000.0), START_US + 2 * SECOND)

    total = sum(trades.shape[1] for trades in made.values())
    # A Poisson count of mean 40,000: five standard deviations.
    assert 39_000 < total < 41_000


def test_market_history_ends_at_the_start_and_is_never_dense() -> None:
    source = market(trades_per_s=20_000.0, history_us=30 * SECOND + 1)

    made = columns(source, START_US)

    assert source.history_start_us == START_US - 30_000_000
    total = sum(trades.shape[1] for trades in made.values())
    assert 5_500 < total < 6_500
    assert HISTORY_TRADES_PER_S == 200
    assert min(trades[3, 0] for trades in made.values()) >= source.history_start_us


def test_market_jumps_are_recorded_and_move_the_price() -> None:
    source = market(symbols=("ETHUSDT",), jumps_per_hour=2.0, history_us=6 * HOUR)
    made = columns(source, START_US)["ETHUSDT"]

    ended = [jump for jump in source.jumps if jump.time_us + jump.duration_us + SECOND < START_US]

    assert 4 <= len(ended) <= 26
    agreed = 0
    for jump in ended:
        edges = [jump.time_us - SECOND, jump.time_us + jump.duration_us + SECOND]
        before, after = np.searchsorted(made[3], edges) - 1
        moved = np.log(made[4, after] / made[4, before])
        agreed += bool(abs(moved - jump.log_return) < abs(jump.log_return) / 2)
    assert agreed >= 0.7 * len(ended)
    assert {jump.duration_us == 50_000 for jump in ended} == {True, False}
    assert all(jump.duration_us == 50_000 or jump.duration_us >= 5 * SECOND for jump in ended)


def test_market_without_jumps_records_none() -> None:
    source = market(jumps_per_hour=0.0)
    source.advance(START_US + 10 * MINUTE)
    assert source.jumps == ()


def test_market_symbols_move_together() -> None:
    source = market(symbols=("BTCUSDT", "ETHUSDT"), jumps_per_hour=0.0, history_us=HOUR)
    made = columns(source, START_US)
    grid = np.arange(START_US - HOUR + MINUTE, START_US, 10 * SECOND)

    returns = [
        np.diff(np.log(trades[4, np.searchsorted(trades[3], grid) - 1])) for trades in made.values()
    ]

    # Both share 0.85 of the common factor: about 0.85 ** 2.
    assert 0.5 < np.corrcoef(returns)[0, 1] < 0.9


def test_market_bounces_between_bid_and_ask() -> None:
    source = market(symbols=("PEPEUSDT",), jumps_per_hour=0.0, history_us=HOUR)
    made = columns(source, START_US)["PEPEUSDT"]

    bought, sold = made[4, made[6] == 0], made[4, made[6] == 1]

    # Five basis points of half spread on a price of about 985 ticks: about one tick.
    assert 0.3 < (bought.mean() - sold.mean()) / 1.0 < 2.5


def test_market_arrivals_cluster() -> None:
    made = columns(market(symbols=("BTCUSDT",), history_us=HOUR), START_US)["BTCUSDT"]

    counts = np.bincount((made[3] - START_US + HOUR) // SECOND)

    assert counts.var() > 1.3 * counts.mean()


def test_demo_shows_twelve_symbols() -> None:
    assert len(DEMO_SYMBOLS) == 12
    assert {"BTCUSDT", "ETHUSDT", "SOLUSDT", "TRXUSDT"} <= set(DEMO_SYMBOLS)


@pytest.mark.parametrize(
    ("symbols", "said"),
    [
        (("BTCUSDT", "NOPEUSDT"), "NOPEUSDT: not on offer"),
        (("BTCUSDT", "BTCUSDT"), "BTCUSDT: named more than once"),
        ((), "expected at least one symbol"),
    ],
)
def test_market_with_symbols_it_does_not_offer_is_refused(
    symbols: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        market(symbols=symbols)


def test_market_with_a_rate_of_its_own_trades_so_often_and_the_others_share_the_rest() -> None:
    symbols, own = ("BTCUSDT", "ETHUSDT", "SOLUSDT"), {"ETHUSDT": 0.5}
    source = market(symbols=symbols, trades_per_s=100.0, own_rates=own)
    made = columns(source, START_US + 10 * MINUTE)
    count = {symbol: trades.shape[1] for symbol, trades in made.items()}
    # Poisson counts of mean 60,000 and 300: five standard deviations.
    assert abs(count["BTCUSDT"] + count["SOLUSDT"] - 60_000) < 1_225
    assert abs(count["ETHUSDT"] - 300) < 87
