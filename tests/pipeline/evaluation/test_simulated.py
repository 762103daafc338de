from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline.durations import DAY, SECOND
from pipeline.evaluation.sim import AFTERSHOCKS, DEFAULT, run
from pipeline.evaluation.simulated import START_US, Setting, simulate
from pipeline.schema import TRADES

SHORT = replace(DEFAULT, days=0.25)


def test_path_is_a_function_of_its_seed() -> None:
    one, same, other = (simulate(SHORT, seed) for seed in (1, 1, 2))
    assert one.trades.equals(same.trades)
    assert one.jump_us.tolist() == same.jump_us.tolist() != other.jump_us.tolist()
    assert one.trades.schema == TRADES
    assert one.trades["trade_id"].to_list()[:3] == [1, 2, 3]
    assert one.trades["event_time"].is_sorted()


def test_path_has_the_volatility_and_the_trades_of_its_setting() -> None:
    calm = Setting("calm", days=4.0, bursts_per_day=0.0, jumps_per_day=0.0, half_spread_bp=0.0)
    trades = simulate(calm, 3).trades
    assert trades.height / (4.0 * DAY / SECOND) == pytest.approx(4.0, rel=0.01)
    minutes = trades.group_by_dynamic("event_time", every="1m").agg(pl.col("price").last())
    returns = minutes["price"].log().diff().drop_nulls().to_numpy()
    annual = float(np.std(returns)) * np.sqrt(365 * 24 * 60)
    # The level wanders by a factor of exp(0.35 sqrt 2) or so.
    assert 0.4 < annual < 1.2


def test_prices_of_a_coarse_market_are_multiples_of_its_step() -> None:
    prices = simulate(replace(SHORT, price_step=0.2), 2).trades["price"].to_numpy()
    steps = prices / 0.2
    assert np.abs(steps - np.rint(steps)).max() < 1e-9
    assert len(np.unique(np.rint(steps))) > 5


def test_jumps_are_planted_where_they_are_said_to_be() -> None:
    still = replace(SHORT, annual_volatility=1e-6, half_spread_bp=0.0, bursts_per_day=0.0)
    path = simulate(replace(still, jump_sizes=(1e4, 1e4)), 5)
    assert len(path.jump_us) > 2
    assert (path.jump_us > START_US + 600 * SECOND - 1).all()
    lasts = (path.jump_end_us - path.jump_us) / SECOND
    assert ((lasts == 0.2) | ((lasts >= 4.8) & (lasts <= 30.0))).all()
    price = path.trades["price"].log().to_numpy()
    at = path.trades["event_time"].to_physical().to_numpy()
    before = price[np.searchsorted(at, path.jump_us) - 1]
    after = price[np.searchsorted(at, path.jump_end_us)]
    moves = np.abs(after - before)
    # 10,000 times the deviation over a minute of 1e-6 a year, which wanders.
    minute = 1e-6 / np.sqrt(365 * 24 * 60)
    assert ((moves > 1e4 * minute / 5) & (moves < 1e4 * minute * 5)).all()
    quiet = np.ones(len(at), dtype=np.bool_)
    for begin, end in zip(path.jump_us, path.jump_end_us, strict=True):
        quiet &= (at < begin) | (at > end + SECOND)
    assert np.abs(np.diff(price))[quiet[1:] & quiet[:-1]].max() < moves.min() / 20


def test_aftershocks_follow_each_jump_by_three_minutes() -> None:
    path = simulate(replace(AFTERSHOCKS, days=1.0), 6)
    first, second = path.jump_us[~path.is_aftershock], path.jump_us[path.is_aftershock]
    assert len(first) > 5
    assert (second - first == 180 * SECOND).all()


def test_run_of_the_detectors_finds_what_is_planted() -> None:
    loud = replace(SHORT, jump_sizes=(15.0, 20.0))
    path = simulate(loud, 7)
    for detector in ({}, {"detector": {"name": "zscore", "window": 300}}):
        found = run(path, detector)
        assert (found.judged.jump_scores() > 6.0).mean() > 0.6
        assert found.alerts["alert_id"].is_unique().all()
        assert 0 < found.alarmed_us() < 0.25 * DAY / 4
        assert found.false_episodes() <= found.alerts.height
