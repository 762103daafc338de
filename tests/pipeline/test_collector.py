from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from pipeline.board import SAMPLES, BoardPlan
from pipeline.books import BookState
from pipeline.clock import Skew
from pipeline.collector import MAX_ALERTS, Collector
from pipeline.conditions import FeedState
from pipeline.config import Config
from pipeline.crosssection import cross_section_plan
from pipeline.delivery import Envelope, Payload, Timing, from_ipc, to_ipc
from pipeline.durations import HOUR
from pipeline.engine import ShardEngine
from pipeline.schema import ALERTS, CORRELATIONS
from tests.pipeline import crash
from tests.pipeline.test_engine import noisy
from tests.pipeline.trades import START_US, trades_frame

S = 1_000_000
CONFIG = Config.model_validate(
    {"symbols": ["AUSDT", "BUSDT"], "detector": {"name": "zscore", "window": 20}}
)
PLAN = BoardPlan(
    venue="exchange",
    symbols=CONFIG.symbols,
    every_us=S,
    by_trade=False,
    headline="ewma_vol_1m",
    detector="zscore",
    enter={},
    exit={},
    forward_fill_us=10 * S,
    history_us=60 * S,
    tick_size={},
)


def collector() -> Collector:
    return Collector(PLAN, "first", 0)


def envelope(
    engine: ShardEngine, trades: pl.DataFrame, seq: int, *, venue_us: int | None = None
) -> Envelope:
    result = engine.step(trades)
    return Envelope(
        shard="shard",
        incarnation=1,
        base=1,
        seq=seq,
        payload=Payload(
            bars=to_ipc(result.bars),
            features=to_ipc(result.features),
            alerts=to_ipc(result.alerts),
            health=to_ipc(engine.health(venue_us=venue_us)),
            venue_us=venue_us,
            connected=True,
            reconnects=3,
            rejected_unnamed=2,
        ),
    )


def engine() -> ShardEngine:
    return ShardEngine(CONFIG.symbols, CONFIG)


def test_snapshot_before_any_frame_is_empty_and_has_the_schemas() -> None:
    snapshot = collector().snapshot(0, now_us=5)
    assert (snapshot.incarnation, snapshot.version, snapshot.taken_us) == ("first/0", 0, 5)
    assert snapshot.samples.schema == SAMPLES
    assert snapshot.alerts.schema == ALERTS
    assert (snapshot.health.height, snapshot.connected, snapshot.venue_us) == (0, {}, None)
    assert snapshot.trades_per_s == 0.0


def test_snapshot_since_a_version_holds_what_came_after_it() -> None:
    state, shard = collector(), engine()
    state.apply(envelope(shard, noisy(30), 1), 1 * S)
    first = state.snapshot(0, 1 * S)
    assert first.samples.height == 29
    assert first.samples["volatility"].null_count() == 1  # the first bar has no return
    state.apply(envelope(shard, noisy(40).slice(30), 2), 2 * S)
    second = state.snapshot(first.version, 2 * S)
    assert second.samples.height == 10
    assert second.samples["open_time"].to_physical().min() == START_US + 29 * S
    assert state.snapshot(second.version, 3 * S).samples.height == 0
    assert second.health.height == 2


def test_apply_of_the_same_frame_twice_changes_nothing() -> None:
    state, shard = collector(), engine()
    frame = envelope(shard, noisy(30), 1)
    assert [state.apply(frame, S), state.apply(frame, S)] == [1, 1]
    assert state.snapshot(0, S).samples.height == 29
    assert state.snapshot(0, S).version == 1


def test_frame_that_cannot_be_applied_is_not_counted_and_is_applied_when_it_comes_again() -> None:
    state, shard = collector(), engine()
    one = envelope(shard, noisy(30), 1)
    broken = replace(one, payload=replace(one.payload, health=b"torn"))
    with pytest.raises(pl.exceptions.ComputeError):
        state.apply(broken, S)
    assert state.bars().height == 0
    assert (state.report(S, {})["reconnects"], state.report(S, {})["symbols"]) == (0, {})
    assert state.apply(one, S) == 1
    assert state.bars().height == 29
    assert state.report(S, {})["reconnects"] == 3


def test_snapshot_shows_an_alert_again_when_it_was_revised() -> None:
    state, shard = collector(), engine()
    trades = noisy(120, jump_at=50)
    state.apply(envelope(shard, trades.slice(0, 53), 1), S)
    opened = state.snapshot(0, S)
    assert opened.alerts["status"].to_list() == ["open"]
    state.apply(envelope(shard, trades.slice(53, 10), 2), S)
    assert state.snapshot(opened.version, S).alerts.height == 0
    state.apply(envelope(shard, trades.slice(63), 3), S)
    assert state.snapshot(opened.version, S).alerts["status"].to_list() == ["closed"]
    assert state.snapshot(0, S).alerts["alert_id"].to_list() == opened.alerts["alert_id"].to_list()


def test_alert_log_forgets_the_oldest() -> None:
    state, shard = collector(), engine()
    one = envelope(shard, trades_frame([]), 1)
    row = pl.DataFrame(schema=ALERTS).clear(MAX_ALERTS + 1)
    many = row.with_columns(
        pl.int_range(pl.len()).cast(pl.String).alias("alert_id"), symbol=pl.lit("AUSDT")
    )
    payload = Payload(
        one.payload.bars, one.payload.features, to_ipc(many), one.payload.health, None,
        connected=False, reconnects=0, rejected_unnamed=0,
    )  # fmt: skip
    state.apply(Envelope("shard", 1, 1, 1, payload), S)
    kept = state.snapshot(0, S).alerts["alert_id"].to_list()
    assert (len(kept), kept[0]) == (MAX_ALERTS, "1")


def test_history_reaches_as_far_as_the_board_may_look() -> None:
    state, shard = collector(), engine()
    for seq in range(1, 201):
        state.apply(envelope(shard, noisy(600).slice((seq - 1) * 3, 3), seq), S)
    kept = state.bars()
    assert kept["last_id"].max() == 599
    # Old bars leave when small frames are merged, every 64 of them.
    assert 60 <= kept.height <= 60 + 64 * 3
    assert state.snapshot(0, S).samples.height == kept.height


def test_rate_counts_live_trades_over_the_last_seconds() -> None:
    state, shard = collector(), engine()
    for seq in range(1, 9):
        state.apply(envelope(shard, noisy(80).slice((seq - 1) * 10, 10), seq), seq * S)
    assert state.snapshot(0, 8 * S).trades_per_s == pytest.approx(10.0)
    assert state.snapshot(0, 60 * S).trades_per_s == 0.0


def test_venue_clock_is_the_middle_one_of_the_shards() -> None:
    state = collector()
    for shard, venue_us in (("a", 50), ("b", 52), ("c", 3_600_000_000)):
        one = envelope(engine(), trades_frame([]), 1, venue_us=venue_us)
        state.apply(replace(one, shard=shard), S)
    assert state.snapshot(0, S).venue_us == 52
    unknown = envelope(engine(), trades_frame([]), 2, venue_us=None)
    state.apply(replace(unknown, shard="a"), S)
    assert state.snapshot(0, S).venue_us == 52


def test_rate_after_a_restart_of_a_shard_is_not_negative() -> None:
    state, shard = collector(), engine()
    state.apply(envelope(shard, noisy(80), 1), S)
    again = envelope(engine(), noisy(10), 1)
    state.apply(replace(again, incarnation=2), 2 * S)
    assert state.snapshot(0, 2 * S).trades_per_s == 0.0


def test_report_accounts_for_every_id() -> None:
    state, shard = collector(), engine()
    state.apply(envelope(shard, noisy(30).filter(pl.col("trade_id") != 7), 1), S)
    report = state.report(30 * S, {"symbol_actors": 1, "coordinator": 0})
    assert (report["seconds"], report["venue"], report["reconnects"]) == (30.0, "exchange", 3)
    assert report["restarts"] == {"symbol_actors": 1, "coordinator": 0}
    assert report["symbols"]["AUSDT"] == {
        "first_id": 1,
        "last_id": 30,
        "live": 29,
        "backfilled": 0,
        "pending": 1,
        "lost": 0,
        "duplicates": 0,
        "rejected": 0,
        "late": 0,
        "bars": 5,
        "incomplete_bars": 0,
        "restated": 0,
        "breaks": 0,
        "alerts": 0,
        "reconnects": 0,
        "handovers": 0,
        "dropped": 0,
        "last_price": noisy(30)["price"][5],
        "sha256": None,
        "lost_ranges": [],
        "lost_untold": 0,
        "alerts_per_hour": 0.0,
        "in_alarm_frac": 0.0,
        "regime_changes": 0,
    }
    assert report["totals"]["live"] == 29
    assert report["totals"]["rejected"] == 2  # they named no symbol
    assert report["symbols"]["BUSDT"]["first_id"] is None


def test_report_tells_of_order_books_where_they_are_kept() -> None:
    state, shard = collector(), engine()
    books = {
        "AUSDT": BookState(9.5, 10.5, -0.25, updates=7, coalesced=4, dropped=2, resyncs=1),
        "BUSDT": BookState(updates=3, dropped=2),
    }
    health = shard.health(venue_us=None, feed=FeedState(books=books))
    message = envelope(shard, noisy(30), 1)
    state.apply(replace(message, payload=replace(message.payload, health=to_ipc(health))), S)
    symbols = state.report(30 * S, {})["symbols"]
    told = ("bid", "ask", "imbalance", "book_updates", "book_coalesced")
    told = (*told, "book_dropped", "book_resyncs")
    assert [symbols["AUSDT"][name] for name in told] == [9.5, 10.5, -0.25, 7, 4, 2, 1]
    assert [symbols["BUSDT"][name] for name in told] == [None, None, None, 3, 0, 2, 0]


def test_report_tells_which_ids_are_lost_and_how_many_it_does_not_tell() -> None:
    state, shard = collector(), engine()
    here = ~pl.col("trade_id").is_in([7, 12, 13])
    one = envelope(shard, noisy(30).filter(here), 1)
    shard.give_up("AUSDT", 13)
    one = replace(one, payload=replace(one.payload, health=to_ipc(shard.health(venue_us=None))))
    told = replace(one.payload, lost_ranges=shard.lost())
    state.apply(replace(one, payload=told), S)
    row = state.report(S, {})["symbols"]["AUSDT"]
    assert (row["lost"], row["lost_ranges"], row["lost_untold"]) == (3, [[7, 7], [12, 13]], 0)
    newest = replace(one.payload, lost_ranges={"AUSDT": [(12, 13)]})
    state.apply(replace(one, seq=2, payload=newest), S)
    row = state.report(S, {})["symbols"]["AUSDT"]
    assert (row["lost"], row["lost_ranges"], row["lost_untold"]) == (3, [[12, 13]], 1)
    state.apply(replace(one, seq=3), S)  # found after all, or of an actor that was restarted
    assert state.report(S, {})["symbols"]["AUSDT"]["lost_ranges"] == []


def test_report_tells_how_often_there_were_alarms_in_the_last_hour() -> None:
    state = collector()
    state.apply(envelope(engine(), noisy(120, jump_at=50), 1), S)
    (alert,) = state.snapshot(0, S).alerts.iter_rows(named=True)
    assert alert["end_time"] - alert["start_time"] == timedelta(seconds=31)
    hour = state.report(START_US + 120 * S, {})["symbols"]["AUSDT"]
    assert (hour["alerts_per_hour"], hour["in_alarm_frac"]) == (1.0, round(31 / 3600, 6))
    later = state.report(START_US + 3700 * S, {})["symbols"]["AUSDT"]
    assert (later["alerts_per_hour"], later["in_alarm_frac"]) == (0.0, 0.0)


def test_snapshot_tells_which_symbols_are_connected() -> None:
    state, shard = collector(), engine()
    one = envelope(shard, noisy(30), 1)
    state.apply(one, S)
    assert state.snapshot(0, S).connected == {"AUSDT": True, "BUSDT": True}
    cut = replace(one, seq=2, payload=replace(one.payload, connected=False))
    state.apply(cut, 2 * S)
    assert state.snapshot(0, 2 * S).connected == {"AUSDT": False, "BUSDT": False}


def test_report_counts_the_reconnects_of_every_shard_once() -> None:
    state = collector()
    one = envelope(engine(), noisy(30), 1)
    for shard, reconnects in (("a", 3), ("b", 2)):
        counted = replace(one.payload, reconnects=reconnects)
        state.apply(replace(one, shard=shard, payload=counted), S)
    again = replace(one.payload, reconnects=4)
    state.apply(replace(one, shard="a", seq=2, payload=again), S)
    assert state.report(S, {})["reconnects"] == 6


def test_rate_remembers_no_more_than_it_is_taken_over() -> None:
    state = collector()
    one = envelope(engine(), trades_frame([]), 1)
    for seq in range(1, 101):
        state.apply(replace(one, seq=seq), seq * S)
    assert [when // S for when, _ in state._live] == [95, 96, 97, 98, 99, 100]


def test_bars_that_a_restarted_shard_tells_again_are_applied_once() -> None:
    state = collector()
    state.apply(envelope(engine(), noisy(30), 1), S)
    again = envelope(engine(), noisy(40), 1)
    state.apply(replace(again, incarnation=2), 2 * S)
    assert state.bars()["last_id"].to_list() == list(range(1, 40))
    assert state.snapshot(0, 2 * S).samples["open_time"].is_unique().all()


def test_apply_of_a_restated_bar_tells_its_sample_again() -> None:
    state, shard = collector(), ShardEngine(CONFIG.symbols, CONFIG, restates=True)
    trades = noisy(30)
    found = pl.col("trade_id") == 10
    state.apply(envelope(shard, trades.filter(~found), 1), S)
    shard.give_up("AUSDT", 10)
    state.apply(envelope(shard, trades_frame([]), 2), S)
    before = state.snapshot(0, S)
    # A row of a lost id is the same to the ledger whichever way it comes.
    state.apply(envelope(shard, trades.filter(found), 3), S)
    again = state.snapshot(before.version, S).samples
    assert before.samples.filter(~pl.col("complete"))["revision"].to_list() == [0, 0, 0]
    assert again["open_time"].to_physical().to_list()[0] == START_US + 8 * S
    assert again["revision"].unique().to_list() == [1]
    assert again["complete"].all()


def test_changes_of_volatility_are_told_to_boards_readers_and_the_report_and_are_no_alerts() -> (
    None
):
    state, one = collector(), envelope(engine(), noisy(30), 1)
    features = from_ipc(one.payload.features)
    row = features["symbol"].eq("AUSDT").arg_max()
    assert row is not None
    rise = pl.Series([1 if at == row + 1 else 0 for at in range(features.height)], dtype=pl.Int8)
    changed = replace(one.payload, features=to_ipc(features.with_columns(regime_change=rise)))
    state.apply(replace(one, payload=changed), S)
    (told,) = state.regime_changes().iter_rows(named=True)
    sample = state.snapshot(0, S).samples.filter(pl.col("regime_change") != 0).row(0, named=True)
    assert told == {
        "symbol": "AUSDT",
        "time": sample["open_time"] + timedelta(seconds=1),
        "direction": 1,
        "regime": sample["regime"],
        "volatility": sample["volatility"],
    }
    report = state.report(S, {})
    assert [row["regime_changes"] for row in report["symbols"].values()] == [1, 0]
    assert (report["totals"]["regime_changes"], report["totals"]["alerts"]) == (1, 0)
    assert state.snapshot(0, S).alerts.is_empty()


def test_report_tells_latencies_and_the_surest_clock() -> None:
    state, shard = collector(), engine()
    now_us = 1_700_000_000 * S
    for seq, error_us in ((1, 900), (2, 400), (3, 700)):
        one = envelope(shard, trades_frame([]), seq)
        counts = {"receive": Counter({20: 98, 30: 2})}
        timing = Timing(now_us - 30, counts, Skew(-1_500, error_us))
        payload = replace(one.payload, timing=timing)
        state.apply(replace(one, shard=f"shard{seq}", seq=1, payload=payload), now_us)
    report = state.report(now_us, {})
    assert report["latency_ms"] == {
        "receive": {"p50": 0.020, "p99": 0.030},
        "apply": {"p50": 0.030, "p99": 0.030},
    }
    assert report["clock"] == {"venue_ahead_ms": -1.5, "error_ms": 0.4}


def test_report_without_any_measure_says_so() -> None:
    report = collector().report(S, {})
    assert (report["latency_ms"], report["clock"]) == ({}, None)


def test_replan_is_another_pipeline_to_a_board_and_keeps_what_is_known() -> None:
    state, shard = collector(), engine()
    state.apply(envelope(shard, noisy(30), 1), S)
    before = state.snapshot(0, S)
    state.replan(replace(PLAN, symbols=("AUSDT", "BUSDT", "CUSDT"), ended={"BUSDT": "outranked"}))
    after = state.snapshot(0, S)
    assert after.incarnation != before.incarnation
    assert after.plan.symbols == ("AUSDT", "BUSDT", "CUSDT")
    assert after.samples.equals(before.samples)
    assert after.health["condition"].to_list() == [None, "outranked"]


def test_snapshot_of_a_market_that_is_not_in_the_plan_yet_leaves_it_out_until_it_is() -> None:
    state, shard = Collector(replace(PLAN, symbols=("AUSDT",)), "second", 0), engine()
    both = pl.concat([noisy(46), noisy(46, symbol="BUSDT", jump_at=40)]).sort("event_time")
    state.apply(envelope(shard, both, 1), S)
    early = state.snapshot(0, S)
    assert early.samples["symbol"].unique().to_list() == ["AUSDT"]
    assert early.alerts["symbol"].unique().to_list() == []
    assert early.connected == {"AUSDT": True}
    assert early.health["symbol"].to_list() == ["AUSDT"]
    state.replan(PLAN)
    late = state.snapshot(0, S)
    assert set(late.samples["symbol"]) == {"AUSDT", "BUSDT"}
    assert late.alerts["symbol"].unique().to_list() == ["BUSDT"]
    assert late.connected == {"AUSDT": True, "BUSDT": True}


def test_clocks_of_a_shard_that_has_ended_are_forgotten() -> None:
    state, shard = collector(), engine()
    one = envelope(shard, trades_frame([]), 1, venue_us=5 * S)
    timing = Timing(S, {}, Skew(-1_500, 900))
    for name, venue_us in (("a", 5 * S), ("b", 9 * S)):
        payload = replace(one.payload, venue_us=venue_us, timing=timing)
        state.apply(replace(one, shard=name, payload=payload), S)
    assert state.snapshot(0, S).venue_us == 9 * S
    state.forget_shard("b")
    assert state.snapshot(0, S).venue_us == 5 * S
    state.forget_shard("a")
    assert state.snapshot(0, S).venue_us is None
    assert state.report(S, {})["clock"] is None
    assert state.report(S, {})["reconnects"] == 6


def crash_envelope(second: int) -> Envelope:
    """What a shard tells of one second of a small market that crashes."""
    all_rows, start = crash.told(), crash.START_US + second * S
    now = pl.col("open_time").dt.timestamp("us") == start
    alerts = all_rows.alerts.filter(pl.col("start_time").dt.timestamp("us") == start + S)
    one = envelope(engine(), trades_frame([]), second + 1)
    payload = replace(
        one.payload,
        bars=to_ipc(all_rows.bars.filter(now)),
        features=to_ipc(all_rows.features.filter(now)),
        alerts=to_ipc(alerts),
    )
    return replace(one, payload=payload)


def crash_collector() -> Collector:
    plan = replace(
        PLAN,
        symbols=crash.CONFIG.symbols,
        enter=crash.ENTER,
        headline="realized_vol_1m",
        crosssection=cross_section_plan(crash.CONFIG),
    )
    return Collector(plan, "first", 0)


def test_market_alert_is_told_with_those_that_are_part_of_it() -> None:
    state = crash_collector()
    for second in range(crash.CRASH):
        state.apply(crash_envelope(second), 0)
    before = state.snapshot(0, 0)
    assert before.alerts.height == 0
    assert abs(before.market_score or 9.0) < 6.0
    state.apply(crash_envelope(crash.CRASH), 0)
    after = state.snapshot(before.version, 0)
    assert sorted(after.alerts["symbol"]) == ["AUSDT", "BUSDT", "CUSDT", "DUSDT", "MARKET"]
    assert after.alerts["scope"].unique().to_list() == ["market"]
    assert (after.market_score or 0.0) < -10.0
    told = state.market(before.version)
    assert told.select(pl.col("market_score") * pl.col("direction")).item() == after.market_score
    assert state.residuals(before.version)["symbol"].to_list() == list(crash.ENTER)


def test_market_goes_on_without_symbols_that_have_ended() -> None:
    state = crash_collector()
    state.apply(crash_envelope(0), 0)
    plan = replace(state.snapshot(0, 0).plan, ended={"DUSDT": "delisted"})
    state.replan(plan)
    one = crash_envelope(1)
    three = pl.col("symbol") != "DUSDT"
    bars, features = (
        to_ipc(from_ipc(frame).filter(three)) for frame in (one.payload.bars, one.payload.features)
    )
    state.apply(replace(one, payload=replace(one.payload, bars=bars, features=features)), 0)
    assert state.market()["members"].to_list() == [0, 3]


def test_coordinator_that_restarted_takes_in_markets_its_first_plan_does_not_know() -> None:
    plan = crash_collector().snapshot(0, 0).plan
    state = Collector(replace(plan, symbols=plan.symbols[:3]), "second", 0)
    for second in range(crash.CRASH):
        state.apply(crash_envelope(second), 0)
    state.replan(plan)
    state.apply(crash_envelope(crash.CRASH), 0)
    assert state.market()["members"].max() == 4
    (market,) = state.snapshot(0, 0).alerts.filter(symbol="MARKET").iter_rows(named=True)
    assert (market["exceeding"], market["members"]) == (4, 4)


def test_correlations_are_those_of_the_market_or_none() -> None:
    assert collector().correlations().schema == CORRELATIONS
    state = crash_collector()
    for second in range(3):
        state.apply(crash_envelope(second), 0)
    assert state.correlations().height == 6


def test_report_tells_how_often_the_market_alerts() -> None:
    state = crash_collector()
    for second in range(crash.CRASH + 1):
        state.apply(crash_envelope(second), 0)
    # Since the start, at 0, to a quarter of an hour after the crash.
    now_us = crash.START_US + (crash.CRASH + 1) * S + HOUR // 4
    assert state.report(now_us, {})["market"] == {"alerts_per_hour": 1.0, "in_alarm_frac": 0.25}
