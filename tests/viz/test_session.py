from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from bokeh.document import Document
from bokeh.models import ColumnDataSource

from pipeline.durations import SECOND
from viz.link import Link
from viz.session import BoardSession

if TYPE_CHECKING:
    from bokeh.document.events import DocumentChangedEvent

    from tests.viz.conftest import HandClock
    from tests.viz.recorded_board import RecordedBoard
    from viz.state import BoardState, BoardView


@dataclass
class Page:
    """A session whose clock, hub and document a test holds."""

    board: RecordedBoard
    state: BoardState
    clock: HandClock
    since: int = 200
    events: list[DocumentChangedEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start_us = self.clock.now_us
        self.link = Link()
        self.spark = ColumnDataSource()
        self.detail = ColumnDataSource()
        self.alerts = ColumnDataSource()
        self.session = BoardSession(
            lambda: self.view,
            self.link,
            spark=self.spark,
            detail=self.detail,
            alerts=self.alerts,
            symbol="ETHUSDT",
            clock=lambda: self.clock.now_us / SECOND,
        )
        document = Document()
        for model in (self.link, self.spark, self.detail, self.alerts):
            document.add_root(model)
        document.on_change(self.events.append)

    @property
    def view(self) -> BoardView:
        now_us = self.clock.now_us
        return self.state.view(now_s=now_us / SECOND, stamp_ms=now_us // 1_000)

    def tick(self, *, paint: bool = True) -> list[DocumentChangedEvent]:
        """Let a quarter of a second pass and return what was sent."""
        self.clock.now_us += SECOND // 4
        snapshot = self.board.snapshot(self.since)
        self.since = snapshot.version
        self.state.apply(snapshot, self.clock.now_us / SECOND)
        self.events.clear()
        self.session.pull()
        sent = list(self.events)
        if paint:
            self.link.painted_ms = float(self.clock.now_us // 1_000)
        return sent


@pytest.fixture
def page(board: RecordedBoard, state: BoardState, clock: HandClock) -> Page:
    return Page(board, state, clock)


def newest_ms(page: Page) -> float:
    return float(page.detail.data["t"][-1])


def test_session_starts_with_all_there_is(page: Page) -> None:
    assert page.link.symbol == "ETHUSDT"
    assert '"stamp_ms":0' in page.link.tick
    # The bars that opened less than 150 s ago; the twelfth symbol stopped trading 120 s ago.
    assert len(page.spark.data["i"]) == 149 * 11 + 29
    assert len(page.detail.data["t"]) == 200
    assert len(page.alerts.data["alert_id"]) == 3


@pytest.mark.parametrize(("asked", "shown"), [("DOTUSDT", "DOTUSDT"), ("<b>", "BTCUSDT")])
def test_session_shows_the_asked_symbol_only_when_it_is_planned(
    state: BoardState, asked: str, shown: str
) -> None:
    link = Link()
    sources = {name: ColumnDataSource() for name in ("spark", "detail", "alerts")}
    view = state.view(now_s=0.0, stamp_ms=0)
    BoardSession(lambda: view, link, symbol=asked, **sources)
    assert link.symbol == shown


def test_session_sends_at_most_three_events_a_tick(page: Page) -> None:
    counts = [len(page.tick()) for _ in range(40)]
    assert max(counts) == 3
    assert min(counts) == 1


def test_session_sends_every_bar_once(page: Page) -> None:
    rows = len(page.spark.data["i"])
    # One tick more than five seconds: with an alert in the last, one part had to wait.
    for _ in range(21):
        page.tick()
    assert len(page.spark.data["i"]) == rows + 55
    times = list(page.detail.data["t"])
    assert len(times) == 205
    assert times == sorted(set(times))


def test_session_keeps_the_overview_within_its_window(page: Page) -> None:
    for _ in range(60):
        page.tick()
    assert len(page.spark.data["i"]) == 150 * 12


def test_session_with_a_new_alert_sends_it_within_two_ticks(page: Page) -> None:
    while "DOGEUSDT-204" not in page.view.alerts["alert_id"]:
        page.tick()
    page.tick()
    assert "DOGEUSDT-204" in page.alerts.data["alert_id"]


def test_session_without_acknowledgement_holds_back(page: Page) -> None:
    sent = [bool(page.tick(paint=False)) for _ in range(8)]
    assert sent == [True, True, *[False] * 6]


def test_session_held_back_sends_all_of_it_later(page: Page) -> None:
    for _ in range(8):
        page.tick(paint=False)
    page.link.painted_ms = 1e9
    page.tick()
    page.tick()
    assert newest_ms(page) == page.view.history["open_time"].dt.timestamp("us").max() / 1e3


def test_session_of_a_hidden_page_sends_nothing(page: Page) -> None:
    page.link.visible = False
    assert page.tick() == []
    page.link.visible = True
    assert page.tick() != []


def test_session_tells_the_page_its_reduced_rate(page: Page) -> None:
    for _ in range(28):
        page.tick(paint=False)
    assert page.link.rate_hz == 2.0


def test_session_with_another_symbol_replaces_its_panes_at_once(page: Page) -> None:
    page.events.clear()
    page.link.symbol = "PEPEUSDT"
    assert len(page.detail.data["t"]) == 80
    page.link.symbol = "BTCUSDT"
    assert page.detail.data["price"][-1] == pytest.approx(64_012.5, rel=0.02)


def test_session_with_a_shorter_window_shows_less(page: Page) -> None:
    for _ in range(8):
        page.tick()
    page.link.window_s = 100
    assert len(page.detail.data["t"]) == 99


def test_session_with_a_late_bar_keeps_its_lines_in_time_order(page: Page) -> None:
    snapshot = page.board.snapshot(200)
    late = page.board.snapshot(0).samples.filter(symbol="ETHUSDT")[100:101]
    page.state.apply(replace(snapshot, samples=late), 0.0)
    page.tick()
    times = list(page.detail.data["t"])
    assert times == sorted(set(times))
    assert len(times) == 200


def test_session_after_a_restart_of_the_pipeline_starts_over(page: Page) -> None:
    page.board.restart()
    page.state.apply(page.board.snapshot(0), page.clock.now_us / SECOND)
    page.since = 60
    page.tick()
    assert len(page.detail.data["t"]) == 60
    assert page.alerts.data["alert_id"] == []


def test_session_keeps_every_sparkline_whole_when_a_symbol_starts_late(page: Page) -> None:
    snapshot = page.board.snapshot(0)
    late = pl.col("symbol") == "BTCUSDT"
    before = replace(snapshot, incarnation="again", samples=snapshot.samples.filter(~late))
    after = replace(before, version=before.version + 1, samples=snapshot.samples.filter(late))
    for part in (before, after):
        page.clock.now_us += SECOND
        page.state.apply(part, page.clock.now_us / SECOND)
        page.session.pull()
        page.link.painted_ms = float(page.clock.now_us // 1_000)

    times = np.asarray(page.spark.data["t"])
    assert (np.diff(times) >= 0).all()
    rows = np.bincount(np.asarray(page.spark.data["i"], dtype=int), minlength=2)
    assert rows[0] == rows[1] > 100
