from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from pipeline.analysis import StepResult
from pipeline.config import Config
from pipeline.config_file import retuned
from pipeline.engine import ShardEngine
from tests.pipeline.trades import START_US, trades_frame

S = 1_000_000
NONE = trades_frame([])


CONFIG = Config.model_validate(
    {
        "symbols": ["AUSDT"],
        "features": ["realized_vol_10s"],
        "detector": {"name": "zscore", "window": 60},
    }
)


def engine(restate_within: str = "10m", *, restates: bool = True) -> ShardEngine:
    raw = CONFIG.model_dump(mode="json") | {"sampling": {"restate_within": restate_within}}
    return ShardEngine(CONFIG.symbols, Config.model_validate(raw), restates=restates)


def noisy(count: int, jump_at: int) -> pl.DataFrame:
    """One trade a second, half-way through it, with small returns and one large."""
    returns = np.random.default_rng(11).normal(0, 1e-4, count)
    returns[jump_at] = 0.01
    price = 100 * np.exp(np.cumsum(returns))
    return trades_frame(("AUSDT", 1 + at, at + 0.5, float(price[at]), 1.0) for at in range(count))


def ids(trades: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    return trades.filter(pl.col("trade_id").is_between(first, last))


def at(second: int) -> int:
    return START_US + second * S


def missed_at_the_jump(shard: ShardEngine) -> tuple[StepResult, StepResult]:
    """Let the bar of the jump close without its one trade; return what that and its healing say."""
    trades = noisy(200, jump_at=150)
    shard.step(ids(trades, 1, 150))
    blind = shard.step(NONE, clock_us=at(152))
    shard.step(ids(trades, 152, 153))  # behind a hole: it waits
    return blind, shard.step(NONE, backfilled=ids(trades, 151, 151))


def test_fetched_trade_of_a_bar_that_is_out_restates_it_and_what_follows() -> None:
    blind, healed = missed_at_the_jump(engine())
    assert blind.bars["trades"].to_list() == [1, 0]
    again = healed.bars.filter(pl.col("revision") == 1)
    assert healed.bars.tail(again.height).equals(again)
    first = again.row(0, named=True)
    assert (first["open_time"].timestamp(), first["trades"]) == (at(150) / S, 1)
    assert (first["first_id"], first["last_id"], first["complete"]) == (151, 151, True)
    assert healed.features["open_time"].equals(healed.bars["open_time"])
    assert healed.features["score"][-again.height] > 12


def test_alert_of_a_move_that_was_seen_too_late_is_retracted_for_the_true_one() -> None:
    shard = engine()
    trades = noisy(200, jump_at=150)
    shard.step(ids(trades, 1, 150))
    shard.step(NONE, clock_us=at(152))
    # The trade of the jump is given up; its bar is incomplete, and none judges by it.
    shard.step(ids(trades, 152, 154))
    shard.give_up("AUSDT", 151)
    given_up = shard.step(NONE, clock_us=at(156))
    healed = shard.step(NONE, backfilled=ids(trades, 151, 151))
    assert given_up.alerts.height == 0
    assert healed.alerts["status"].to_list() == ["open"]
    assert healed.alerts["start_time"].to_physical().to_list() == [at(151)]


def test_alert_that_falls_into_the_quiet_after_a_healed_one_is_retracted() -> None:
    shard = engine()
    trades = noisy(230, jump_at=150)
    again = pl.when(pl.col("trade_id") > 215).then(pl.col("price") * 1.01).otherwise("price")
    trades = trades.with_columns(again.alias("price"))
    shard.step(trades.filter(pl.col("trade_id") != 151))
    shard.give_up("AUSDT", 151)
    blind = shard.step(NONE)
    healed = shard.step(NONE, backfilled=ids(trades, 151, 151))
    assert blind.alerts["start_time"].to_physical().to_list() == [at(216)]
    told = healed.alerts.sort("start_time")
    assert told["start_time"].to_physical().to_list() == [at(151), at(216)]
    assert told["status"].to_list() == ["closed", "retracted"]
    assert told["revision"].to_list()[1] == blind.alerts["revision"][0] + 1
    assert shard.health(venue_us=None)["alerts"].to_list() == [1]


def test_fetched_trade_beyond_reach_is_late_and_changes_nothing() -> None:
    shard = engine("1s")
    trades = noisy(200, jump_at=150)
    shard.step(ids(trades, 1, 100))
    shard.step(ids(trades, 102, 110))
    shard.give_up("AUSDT", 101)
    for first in range(111, 180, 10):
        shard.step(ids(trades, first, first + 9))
    found = shard.step(NONE, backfilled=ids(trades, 101, 101))
    assert found.bars.height == 0
    row = shard.health(venue_us=None).row(0, named=True)
    assert (row["late"], row["lost"], row["backfilled"]) == (1, 0, 1)


def test_engine_that_does_not_restate_counts_a_recovered_trade_as_late() -> None:
    shard = engine(restates=False)
    trades = noisy(60, jump_at=50)
    shard.step(trades.filter(pl.col("trade_id") != 30))
    shard.give_up("AUSDT", 30)
    shard.step(NONE)
    assert shard.step(NONE, backfilled=ids(trades, 30, 30)).bars.height == 0
    row = shard.health(venue_us=None).row(0, named=True)
    assert (row["late"], row["lost"], row["restated"]) == (1, 0, 0)


def test_second_healing_of_a_bar_has_a_higher_revision() -> None:
    shard = engine()
    trades = noisy(60, jump_at=50)
    shard.step(trades.filter(~pl.col("trade_id").is_between(30, 31)))
    shard.give_up("AUSDT", 31)
    told = [
        shard.step(NONE),
        shard.step(NONE, backfilled=ids(trades, 31, 31)),
        shard.step(NONE, backfilled=ids(trades, 30, 30)),
    ]
    of_bar = pl.col("open_time").to_physical() == at(30)
    rows = [step.bars.filter(of_bar).select("trades", "revision", "complete") for step in told]
    assert [row.row(0) for row in rows] == [(0, 0, False), (1, 1, False), (1, 2, True)]
    assert shard.health(venue_us=None)["incomplete_bars"].to_list() == [0]


def test_restated_bars_are_counted_once_as_bars() -> None:
    shard = engine()
    missed_at_the_jump(shard)
    row = shard.health(venue_us=None).row(0, named=True)
    assert row["bars"] == 152
    assert (row["restated"], row["late"], row["pending"]) == (2, 0, 0)


@pytest.mark.parametrize(
    ("changes", "in_force"),
    [
        (["enter=50", "severity={major: 60, critical: 70}"], [50.0, 60.0, 70.0]),
        (["exit=5.9"], [6.0, 8.0, 12.0]),
        (["budget={minor: 2/d, major: 1/d, critical: 1/3d}", "enter=7"], [7.0, 8.0, 12.0]),
    ],
)
def test_thresholds_that_were_changed_before_a_trade_heals_stay_changed(
    changes: list[str], in_force: list[float]
) -> None:
    shard, trades = engine(), noisy(200, jump_at=150)
    shard.step(ids(trades, 1, 150))
    shard.step(NONE, clock_us=at(152))
    shard.step(ids(trades, 152, 153))
    shard.retune(retuned(CONFIG, None, changes))
    healed = shard.step(NONE, backfilled=ids(trades, 151, 151))
    told = shard.health(venue_us=None).select("enter", "major", "critical").row(0)
    assert list(told) == in_force
    # What is told again is told by the new rules.
    rest = shard.step(ids(trades, 154, 200), clock_us=at(205))
    alerts = pl.concat([healed.alerts, rest.alerts]).unique("alert_id", keep="last")
    (row,) = alerts.filter(pl.col("status") != "retracted").iter_rows(named=True)
    assert (row["status"], row["threshold"]) == ("closed", in_force[0])


def test_thresholds_of_a_restored_engine_are_those_of_its_own_configuration() -> None:
    before = engine()
    before.step(ids(noisy(200, jump_at=150), 1, 160))
    changed = retuned(CONFIG, None, ["enter=50", "severity={major: 60, critical: 70}"])
    after = ShardEngine(CONFIG.symbols, changed, restates=True)
    after.restore(before.snapshot())
    told = after.health(venue_us=None).select("enter", "major", "critical").row(0)
    assert told == (50.0, 60.0, 70.0)


def test_alert_that_lapsed_is_told_once_though_its_end_lies_before_what_is_told_again() -> None:
    # Nothing is traded from 156 to 200. The price holds for ten seconds, and with it the score.
    trades = noisy(220, jump_at=150).filter(~pl.col("trade_id").is_between(157, 200))
    trades = trades.with_columns(trade_id=pl.int_range(1, trades.height + 1))
    shard = engine("30s")
    told = [shard.step(ids(trades, 1, 156))]
    told += [shard.step(NONE, clock_us=at(second)) for second in range(157, 199)]
    (ended,) = told[-1].alerts.iter_rows(named=True)
    assert (ended["status"], ended["end_time"].timestamp() * S) == ("closed", at(166))
    # What comes too late is in a past that is kept since 186, when the alert was open.
    shard.step(pl.concat([ids(trades, 157, 157), ids(trades, 159, 161)]))
    shard.give_up("AUSDT", 158)
    shard.step(NONE)
    healed = shard.step(NONE, backfilled=ids(trades, 158, 158))
    assert healed.bars["trades"][-4:].to_list() == [1, 1, 1, 1]
    assert healed.bars["open_time"].to_physical().min() > at(166)  # type: ignore[operator]
    assert healed.alerts.is_empty()
