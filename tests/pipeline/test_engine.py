from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest

from pipeline.conditions import FeedState
from pipeline.config import Config
from pipeline.engine import ShardEngine
from pipeline.schema import ALERTS, BARS, FEATURES_HEAD, FEATURES_TAIL, HEALTH
from pipeline.venues.protocol import Continuity
from tests.pipeline.trades import START_US, bars_frame, trades_frame

S = 1_000_000


def config(**sections: object) -> Config:
    return Config.model_validate({"symbols": ["AUSDT", "BUSDT"], **sections})


def engine(**sections: object) -> ShardEngine:
    made = config(**sections)
    return ShardEngine(made.symbols, made)


def noisy(count: int, *, symbol: str = "AUSDT", first_id: int = 1, jump_at: int | None = None):  # noqa: ANN201
    """One trade a second, half-way through it, with small returns and perhaps one large."""
    random = np.random.default_rng(11)
    returns = random.normal(0, 1e-4, count)
    if jump_at is not None:
        returns[jump_at] = 0.01
    price = 100 * np.exp(np.cumsum(returns))
    return trades_frame(
        (symbol, first_id + at, at + 0.5, float(price[at]), 1.0) for at in range(count)
    )


def test_step_publishes_frames_of_the_documented_schemas() -> None:
    result = engine().step(noisy(10))
    assert result.bars.schema == BARS
    assert result.alerts.schema == ALERTS
    names = ["realized_vol_1m", "realized_vol_5m", "realized_vol_1h", "ewma_vol_1m"]
    named = dict.fromkeys(names, pl.Float64())
    covered = dict.fromkeys(["coverage_1m", "coverage_5m", "coverage_1h"], pl.Float32())
    features = pl.Schema({**FEATURES_HEAD, **named, **covered, **FEATURES_TAIL})
    assert result.features.schema == features
    assert result.features["open_time"].equals(result.bars["open_time"])
    assert engine().health(venue_us=None).schema == HEALTH


def test_regime_is_the_same_whatever_features_need() -> None:
    trades = noisy(2_400)
    returns = np.diff(np.log(trades["price"].to_numpy()), prepend=np.log(100))
    returns[2_000:] *= 20  # and from then on twenty times as volatile
    trades = trades.with_columns(price=pl.Series(100 * np.exp(np.cumsum(returns))))
    told = []
    for features in (["ewma_vol_1m"], ["realized_vol_5m"], ["realized_vol_1m", "realized_vol_5m"]):
        shard = engine(features=features)
        results = [shard.step(trades.slice(0, 700)), shard.step(trades.slice(700))]
        rows = pl.concat([one.features.select("regime", "regime_change") for one in results])
        told.append(rows.rows())
    assert told[0] == told[1] == told[2]
    regimes = [regime for regime, _ in told[0]]
    assert regimes[1_000] is None  # six times five minutes are needed
    assert (regimes[1_900], regimes[-1]) == ("normal", "extreme")
    assert sum(change for _, change in told[0]) == 1


def test_step_of_nothing_publishes_nothing() -> None:
    result = engine().step(trades_frame([]))
    assert (result.bars.height, result.features.height, result.alerts.height) == (0, 0, 0)


def test_step_with_a_jump_after_a_full_window_opens_one_episode() -> None:
    shard = engine(detector={"name": "zscore", "window": 60})
    result = shard.step(noisy(200, jump_at=150))
    alert = result.alerts.row(0, named=True)
    assert result.alerts.height == 1
    assert (alert["symbol"], alert["severity"], alert["direction"]) == ("AUSDT", "critical", 1)
    assert alert["status"] == "closed"
    assert alert["start_time"].timestamp() * S == START_US + 151 * S
    assert alert["move_bp"] == pytest.approx(100, abs=5)
    assert shard.health(venue_us=None)["alerts"].to_list() == [1, 0]


def test_step_behind_a_hole_holds_the_symbol_and_no_other() -> None:
    shard = engine()
    one = noisy(20)
    result = shard.step(pl.concat([one.filter(pl.col("trade_id") != 5), noisy(20, symbol="BUSDT")]))
    last = result.bars.group_by("symbol").agg(pl.col("last_id").max()).sort("symbol")
    assert last.rows() == [("AUSDT", 3), ("BUSDT", 19)]
    assert shard.holes() == {"AUSDT": [(5, 5)]}
    progress = shard.progress()
    assert [progress[symbol].last_id for symbol in ("AUSDT", "BUSDT")] == [20, 20]
    assert progress["AUSDT"].event_us == START_US + 3_500_000


def test_step_behind_a_hole_does_not_let_the_clock_close_bars() -> None:
    shard = engine()
    shard.step(noisy(20).filter(pl.col("trade_id") != 5))
    late = shard.step(trades_frame([]), clock_us=START_US + 60 * S)
    assert late.bars.height == 0


def test_step_with_the_hole_backfilled_gives_what_an_undisturbed_one_gives() -> None:
    whole = engine().step(noisy(30)).bars
    shard = engine()
    first = shard.step(noisy(30).filter(~pl.col("trade_id").is_between(5, 9)))
    healed = shard.step(trades_frame([]), backfilled=noisy(30).filter(pl.col("trade_id") < 12))
    assert pl.concat([first.bars, healed.bars]).equals(whole)
    row = shard.health(venue_us=None).row(0, named=True)
    assert (row["live"], row["backfilled"], row["pending"], row["lost"]) == (25, 5, 0, 0)
    assert row["duplicates"] == 6


def test_step_that_starts_a_symbol_counts_from_its_first_fetched_trade() -> None:
    shard = engine()
    shard.step(noisy(30).slice(10), backfilled=noisy(12))
    row = shard.health(venue_us=None).row(0, named=True)
    assert (row["first_id"], row["backfilled"], row["live"], row["duplicates"]) == (1, 12, 18, 2)


def test_give_up_publishes_incomplete_bars_and_no_score_judges_by_them() -> None:
    shard = engine(detector={"name": "zscore", "window": 20})
    shard.step(noisy(60).filter(pl.col("trade_id") != 30))
    shard.give_up("AUSDT", 30)
    result = shard.step(trades_frame([]))
    incomplete = result.bars.filter(~pl.col("complete"))
    assert incomplete["last_id"].to_list() == [29, None, 31]
    scored = result.features.filter(pl.col("score").is_not_null())["open_time"]
    # Three incomplete bars, the return from the last, and the 20 samples of a window after it.
    assert scored.to_physical().min() == START_US + (30 + 22) * S
    row = shard.health(venue_us=None).row(0, named=True)
    assert (row["lost"], row["incomplete_bars"]) == (1, 3)
    assert row["coverage_frac"] == pytest.approx(59 / 60)


def test_anchor_with_history_warms_every_window_at_once() -> None:
    made = config(features=["realized_vol_1m"], detector={"name": "zscore", "window": 30})
    cold, warm = ShardEngine(made.symbols, made), ShardEngine(made.symbols, made)
    trades = noisy(200)
    whole = cold.step(trades)
    known = whole.bars.filter(pl.col("open_time").to_physical() < START_US + 150 * S)
    told = warm.anchor("AUSDT", START_US + 150 * S, known)
    rest = warm.step(trades.filter(pl.col("trade_id") > 150))
    assert pl.concat([told.bars, rest.bars]).equals(whole.bars)
    assert pl.concat([told.features, rest.features]).equals(whole.features)


def test_anchor_without_history_starts_at_its_step() -> None:
    shard = engine()
    assert shard.anchor("AUSDT", START_US, BARS.to_frame()).bars.height == 0
    result = shard.step(noisy(3))
    assert result.bars["open_time"].to_physical().to_list() == [START_US, START_US + S]


def test_anchor_closes_a_hole_in_the_history_with_empty_steps() -> None:
    shard = engine()
    history = bars_frame((1_700_000_000, 5.0, 1), (1_700_000_004, 6.0, 1))
    told = shard.anchor("AUSDT", 1_700_000_005 * S, history)
    assert told.bars["trades"].to_list() == [1, 0, 0, 0, 1]
    assert shard.health(venue_us=None)["last_price"][0] == 6.0


def test_health_tells_age_lag_and_rejections() -> None:
    shard = engine()
    shard.step(noisy(3), skew_us=10_000)
    shard.reject(pl.DataFrame({"symbol": ["AUSDT", "AUSDT", "ZUSDT", None]}))
    assert shard.rejected_unnamed == 2
    row = shard.health(venue_us=START_US + 5 * S, feed=FeedState(reconnects=2, dropped=9)).row(
        0, named=True
    )
    assert (row["last_trade_age_s"], row["rejected"], row["reconnects"]) == (2.5, 2, 2)
    assert row["dropped"] == 9
    assert row["lag_ms"] == 50.0  # received 40 ms after the event by a clock that is 10 ms behind
    assert (row["first_id"], row["last_id"], row["bars"], row["late"]) == (1, 3, 2, 0)


def test_health_with_a_digest_hashes_the_applied_trades_in_id_order() -> None:
    shard = engine(actors={"digest": True})
    trades = trades_frame([("AUSDT", at, at / 2, 0.1 + at, 0.00000001 * at) for at in (1, 2, 3)])
    shard.step(trades.filter(pl.col("trade_id") != 2))
    shard.step(trades.clear(), backfilled=trades)
    lines = (
        "1,1.10000000,0.00000001,1700000000500,false\n"
        "2,2.10000000,0.00000002,1700000001000,false\n"
        "3,3.10000000,0.00000003,1700000001500,false\n"
    )
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert shard.health(venue_us=None)["sha256"][0] == expected
    assert engine().health(venue_us=None)["sha256"].to_list() == [None, None]


def test_step_counts_late_trades() -> None:
    shard = engine()
    trades = trades_frame(
        [("AUSDT", 1, 0.5, 1.0, 1.0), ("AUSDT", 2, 5.0, 1.0, 1.0), ("AUSDT", 3, 2.0, 9.0, 1.0)]
    )
    shard.step(trades)
    assert shard.health(venue_us=None)["late"][0] == 1


def test_give_up_applies_what_waited_once() -> None:
    shard = engine(detector={"name": "zscore", "window": 20})
    shard.step(noisy(60).filter(pl.col("trade_id") != 30))
    shard.give_up("AUSDT", 30)
    shard.step(trades_frame([]))
    last = shard.step(trades_frame([]), clock_us=START_US + 61 * S).bars
    assert last.select("last_id", "trades", "volume").rows() == [(60, 1, 1.0)]
    assert shard.health(venue_us=None)["late"][0] == 0


def test_give_up_at_the_end_makes_the_bars_that_the_clock_closes_incomplete() -> None:
    shard = engine()
    shard.step(noisy(3))  # the third is in the step from 2 s on
    shard.expect("AUSDT", 4, 5)
    shard.give_up("AUSDT", 5)
    clocked = shard.step(trades_frame([]), clock_us=START_US + 4_250_000)
    assert clocked.bars["complete"].to_list() == [False, False]
    again = shard.step(noisy(3, first_id=6).with_columns(pl.col("event_time").dt.offset_by("5s")))
    assert again.bars["open_time"].to_physical().to_list() == [
        START_US + at * S for at in (4, 5, 6)
    ]
    assert again.bars["complete"].to_list() == [False, False, True]


@pytest.mark.parametrize(("forward_fill", "steps"), [("10s", 312), ("2m", 422)])
def test_step_of_a_silent_symbol_goes_on_until_its_price_and_then_its_windows_are_empty(
    forward_fill: str, steps: int
) -> None:
    shard = engine(
        features=["realized_vol_1m"],
        detector={"name": "zscore", "window": 10},
        sampling={"forward_fill": forward_fill},
    )
    shard.step(noisy(1))
    silent = shard.step(trades_frame([]), clock_us=START_US + 3600 * S)
    # The step of the trade, those of its price, and five minutes and one step to empty the windows.
    assert silent.bars.height == steps


def test_alert_of_a_market_that_dies_ends_however_long_it_is_held() -> None:
    detector = {"name": "zscore", "window": 10, "hold": "30m"}
    shard = engine(features=["realized_vol_1m"], detector=detector)
    assert shard.step(noisy(40, jump_at=38)).alerts["status"].to_list() == ["open"]
    dead = shard.step(trades_frame([]), clock_us=START_US + 2 * 3600 * S)
    told = dead.alerts.select("status", pl.col("end_time").to_physical()).rows()
    assert told == [("closed", START_US + 50 * S)]  # the price of the last trade held for ten


def test_health_of_a_trade_ahead_of_the_venue_clock_tells_no_negative_age() -> None:
    shard = engine()
    shard.step(noisy(3))
    assert shard.health(venue_us=START_US + 2 * S)["last_trade_age_s"][0] == 0.0
    assert shard.health(venue_us=None)["last_trade_age_s"][0] is None


def test_health_tells_the_lag_of_live_trades_only() -> None:
    shard = engine()
    trades = noisy(6).with_columns(pl.col("receive_time").dt.offset_by("1h"))
    shard.step(trades_frame([]), backfilled=trades.filter(pl.col("trade_id") < 3))
    assert shard.health(venue_us=None)["lag_ms"][0] is None
    shard.step(noisy(4).slice(2))
    shard.step(trades_frame([]), backfilled=trades.slice(4))
    row = shard.health(venue_us=None).row(0, named=True)
    assert (row["lag_ms"], row["last_id"], row["backfilled"]) == (40.0, 6, 4)


def test_row_in_turn_whose_parts_do_not_follow_is_counted_as_a_break() -> None:
    made = config()
    shard = ShardEngine(made.symbols, made, continuity=Continuity(parts_abut=True))
    parts = [(1, 10, 12), (2, 13, 13), (3, 15, 15), (5, 18, 19)]  # 14 is in no row; 4 is missing
    rows = noisy(5).filter(pl.col("trade_id") != 4)
    first, last = (pl.Series([part[at] for part in parts]) for at in (1, 2))
    shard.step(rows.with_columns(first_id=first, last_id=last))
    assert shard.health(venue_us=None)["breaks"].to_list() == [1, 0]
