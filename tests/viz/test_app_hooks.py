"""The hooks of `bokeh serve viz`, with a recorded board where a pipeline would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bokeh.application import Application
from bokeh.server.contexts import ApplicationContext, BokehServerContext

from pipeline.errors import ClusterError
from tests.viz.recorded_board import RecordedBoard
from viz import app_hooks
from viz.hub import HUB

if TYPE_CHECKING:
    from collections.abc import Iterator


class ClosableBoard(RecordedBoard):
    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def context() -> Iterator[BokehServerContext]:
    application = ApplicationContext(Application())
    yield application.server_context
    HUB.stop()


def test_loading_attaches_and_unloading_ends_what_was_started(
    context: BokehServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = ClosableBoard(2, history_s=5)
    asked: list[str | None] = []

    def attach(config: str | None) -> ClosableBoard:
        asked.append(config)
        return board

    monkeypatch.setattr("actors.attach.board_source", attach)
    monkeypatch.setattr(app_hooks, "CONFIG", "configs/demo.yaml")
    app_hooks.on_server_loaded(context)
    assert asked == ["configs/demo.yaml"]
    assert HUB.running
    app_hooks.on_server_unloaded(context)
    assert not HUB.running
    assert board.closed


def test_loading_with_a_source_at_hand_attaches_to_nothing(
    context: BokehServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attach(_config: str | None) -> ClosableBoard:
        pytest.fail("attached although the hub has its source")

    monkeypatch.setattr("actors.attach.board_source", attach)
    HUB.start(RecordedBoard(2, history_s=5))
    app_hooks.on_server_loaded(context)
    assert HUB.running


def test_loading_without_a_pipeline_ends_with_one_line(
    context: BokehServerContext,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def attach(_config: str | None) -> ClosableBoard:
        raise ClusterError("no cluster answers at 10.0.0.1:6379")

    monkeypatch.setattr("actors.attach.board_source", attach)
    with pytest.raises(SystemExit) as ended:
        app_hooks.on_server_loaded(context)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "no cluster answers at 10.0.0.1:6379\n"
    assert not HUB.running
