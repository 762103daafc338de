from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from pipeline.durations import MINUTE, SECOND
from tests.viz.recorded_board import RecordedBoard, without_prices
from viz.state import BoardState

if TYPE_CHECKING:
    from tests.viz.conftest import HandClock


def test_view_before_any_snapshot_is_starting_and_empty() -> None:
    view = BoardState().view(now_s=5.0, stamp_ms=9)
    assert (view.plan, view.plan_json, view.rows) == (None, "", 0)
    assert (view.tick.state, view.tick.price) == ("starting", [])
    assert view.rows_since(0).is_empty()


def test_view_before_the_first_trade_has_a_row_a_symbol_and_no_values(board: RecordedBoard) -> None:
    state = BoardState()
    state.apply(without_prices(board.snapshot(0)), 0.0)
    tick = state.view(now_s=0.0, stamp_ms=0).tick
    assert tick.symbol_state == ["waiting"] * 12
    assert tick.price == tick.volatility == tick.symbol_age_s == [None] * 12
    assert (tick.age_s, tick.live, tick.recent_alerts) == (None, 0, 0)


def test_view_tells_the_newest_of_each_symbol_in_plan_order(
    board: RecordedBoard, state: BoardState
) -> None:
    tick = state.view(now_s=0.0, stamp_ms=7).tick
    newest = board.snapshot(0).samples.group_by("symbol").last()
    expected = dict(newest.select("symbol", "volatility").iter_rows())
    assert tick.volatility[0] == pytest.approx(expected["BTCUSDT"], abs=1e-5)
    assert tick.volatility[9] == pytest.approx(expected["DOTUSDT"], abs=1e-5)
    assert tick.symbol_state == [*["live"] * 10, "live", "down"]
    assert tick.severity == [0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert (tick.state, tick.live, tick.age_s) == ("live", 11, 0.2)
    assert tick.symbol_age_s[11] == 120.0
    assert tick.spread_bp == [2.0, *[None] * 11]
    assert tick.imbalance == [-0.25, *[None] * 11]


def test_view_without_new_reports_grows_older_and_then_stale(state: BoardState) -> None:
    assert state.view(now_s=2.0, stamp_ms=0).tick.age_s == pytest.approx(2.2)
    assert state.view(now_s=3.0, stamp_ms=0).tick.state == "live"
    assert state.view(now_s=3.5, stamp_ms=0).tick.state == "stale"


def test_view_after_a_failure_is_offline_until_the_next_snapshot(
    board: RecordedBoard, state: BoardState, clock: HandClock
) -> None:
    state.fail("no answer")
    tick = state.view(now_s=1.0, stamp_ms=0).tick
    assert (tick.state, tick.reason) == ("offline", "no answer")
    clock.now_us += SECOND
    state.apply(board.snapshot(200), 1.0)
    assert state.view(now_s=1.0, stamp_ms=0).tick.state == "live"


def test_tick_json_is_what_the_browser_reads(state: BoardState) -> None:
    view = state.view(now_s=0.0, stamp_ms=1234)
    tick = json.loads(view.tick_json)
    assert tick["stamp_ms"] == 1234
    assert len(tick["price"]) == 12
    plan = json.loads(view.plan_json)
    assert plan["symbols"][:2] == ["BTCUSDT", "ETHUSDT"]
    assert (plan["every_ms"], plan["tick_size"][0], tick["enter"][0]) == (1000.0, 0.01, 6.0)


def test_rows_since_returns_exactly_what_was_not_seen(
    board: RecordedBoard, state: BoardState, clock: HandClock
) -> None:
    seen = state.view(now_s=0.0, stamp_ms=0).rows
    clock.now_us += 2 * SECOND
    state.apply(board.snapshot(200), 2.0)
    view = state.view(now_s=2.0, stamp_ms=0)
    # Two seconds of the eleven symbols that trade.
    assert view.rows_since(seen).height == 22
    assert view.rows_since(seen)["row"][0] == seen
    assert view.rows_since(view.rows).is_empty()
    assert view.rows_since(0).height == view.rows


def test_snapshot_of_another_incarnation_forgets_everything(
    board: RecordedBoard, state: BoardState
) -> None:
    before = state.view(now_s=0.0, stamp_ms=0)
    board.restart()
    snapshot = board.snapshot(0)
    assert state.forgets(snapshot)
    state.apply(snapshot, 1.0)
    after = state.view(now_s=1.0, stamp_ms=0)
    assert after.epoch == before.epoch + 1
    assert after.rows == snapshot.samples.height
    assert after.alerts.is_empty()


def test_history_stays_within_its_bound_and_keeps_the_newest_revision(clock: HandClock) -> None:
    board = RecordedBoard(3, history_s=60, clock=clock)
    board.plan = replace(board.plan, history_us=MINUTE)
    state = BoardState()
    since = 0
    for second in range(200):
        clock.now_us = second * SECOND
        snapshot = board.snapshot(since)
        since = snapshot.version
        state.apply(snapshot, float(second))
        # The same bar again, restated.
        restated = snapshot.samples.with_columns(volatility=pl.lit(9.0))
        state.apply(replace(snapshot, samples=restated), float(second))
        history = state.view(now_s=0.0, stamp_ms=0).history
        assert history.height <= 3 * 60 * 1.1
    assert history["row"].is_sorted()
    last = history.group_by("symbol", "open_time").agg(pl.col("volatility").last())
    assert last["volatility"].unique().to_list() == [9.0]


def test_view_once_made_is_not_changed_by_what_follows(
    board: RecordedBoard, state: BoardState, clock: HandClock
) -> None:
    view = state.view(now_s=0.0, stamp_ms=0)
    copy = view.history.clone()
    clock.now_us += 5 * SECOND
    state.apply(board.snapshot(200), 5.0)
    assert view.history.equals(copy)


def test_baseline_is_the_median_of_the_history(board: RecordedBoard, state: BoardState) -> None:
    samples = board.snapshot(0).samples.filter(pl.col("symbol") == "ETHUSDT")
    median = sorted(samples["volatility"].to_list())
    middle = (median[99] + median[100]) / 2
    tick = state.view(now_s=0.0, stamp_ms=0).tick
    assert tick.baseline[1] == pytest.approx(middle, abs=1e-5)
    assert tick.elevated[1] == pytest.approx(1.6 * middle, abs=1e-5)
