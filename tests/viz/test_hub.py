from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.viz.recorded_board import RecordedBoard
from tests.waiting import wait_until
from viz.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.stop()


def test_hub_before_it_is_given_a_source_is_starting() -> None:
    hub = Hub()
    assert hub.view.tick.state == "starting"
    assert not hub.running


def test_hub_pulls_its_source(hub: Hub) -> None:
    hub.start(RecordedBoard(3, history_s=5), interval_s=0.01)
    wait_until(lambda: hub.view.rows >= 13)
    assert hub.view.tick.state == "live"
    assert hub.age_s < 5


def test_hub_asks_only_for_what_is_new(hub: Hub) -> None:
    hub.start(RecordedBoard(3, history_s=200), interval_s=0.01)
    wait_until(lambda: hub.view.rows > 3 * 200 - 120)
    # Each bar was applied once, however often it pulled.
    unique = hub.view.history.unique(["symbol", "open_time"])
    assert unique.height == hub.view.history.height == hub.view.rows


def test_hub_with_an_unreachable_source_says_so_and_recovers(hub: Hub) -> None:
    board = RecordedBoard(3, history_s=5)
    hub.start(board, interval_s=0.01)
    wait_until(lambda: hub.view.tick.state == "live")
    board.reachable = False
    wait_until(lambda: hub.view.tick.state == "offline")
    assert hub.view.tick.reason == "the coordinator does not answer"
    stamp_ms = hub.view.stamp_ms
    wait_until(lambda: hub.view.stamp_ms > stamp_ms)
    board.reachable = True
    wait_until(lambda: hub.view.tick.state == "live")


def test_hub_after_a_restart_of_the_pipeline_asks_for_everything(hub: Hub) -> None:
    board = RecordedBoard(3, history_s=200)
    hub.start(board, interval_s=0.01)
    wait_until(lambda: hub.view.epoch == 1)
    board.restart()
    wait_until(lambda: hub.view.epoch == 2)
    # Its sixty bars of two symbols that trade, not only those after the old version.
    assert hub.view.rows >= 120


def test_hub_with_a_source_refuses_a_second_one(hub: Hub) -> None:
    hub.start(RecordedBoard(2, history_s=5), interval_s=0.01)
    with pytest.raises(RuntimeError, match="already has a source"):
        hub.start(RecordedBoard(2, history_s=5))


def test_hub_once_stopped_can_be_given_another_source(hub: Hub) -> None:
    hub.start(RecordedBoard(2, history_s=5), interval_s=0.01)
    hub.stop()
    assert not hub.running
    hub.start(RecordedBoard(3, history_s=5), interval_s=0.01)
    wait_until(lambda: hub.view.plan is not None and len(hub.view.plan.symbols) == 3)
