"""What the board shows when something is wrong, or when there is a lot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.viz.recorded_board import RecordedBoard
from viz.server import BoardServer, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    OpenPage = Callable[..., Page]
    Serve = Callable[[RecordedBoard], BoardServer]

pytestmark = pytest.mark.browser


@pytest.fixture
def serve_board() -> Iterator[Serve]:
    servers: list[BoardServer] = []

    def start(board: RecordedBoard) -> BoardServer:
        servers.append(serve(board, host="127.0.0.1", port=0))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_unreachable_pipeline_is_shown_as_offline_and_comes_back(
    serve_board: Serve, open_page: OpenPage, screenshots: Path
) -> None:
    board = RecordedBoard(12, history_s=300)
    page = open_page(serve_board(board).url)
    board.reachable = False
    expect(page.locator("#state")).to_have_text("OFFLINE", timeout=3_000)
    expect(page.locator("#reason")).to_have_text("the coordinator does not answer")
    expect(page.locator("#live")).to_have_text("0 / 12")
    expect(page.locator("#trades")).to_have_text("\N{EN DASH}")
    page.screenshot(path=screenshots / "board-offline.png")
    board.reachable = True
    expect(page.locator("#state")).to_have_text("LIVE", timeout=10_000)


def test_feeds_that_are_all_down_are_shown_as_stale(
    serve_board: Serve, open_page: OpenPage
) -> None:
    board = RecordedBoard(12, history_s=300)
    page = open_page(serve_board(board).url)
    board.connected = dict.fromkeys(board.connected, False)
    expect(page.locator("#state")).to_have_text("STALE", timeout=3_000)
    expect(page.locator("#alarm")).to_have_text("stale: no symbol has a live feed")


def test_what_is_wrong_with_a_market_is_told_in_the_status_its_cell_and_its_panes(
    serve_board: Serve, open_page: OpenPage, screenshots: Path
) -> None:
    board = RecordedBoard(12, history_s=300)
    page = open_page(serve_board(board).url)
    expect(page.locator("#reason")).to_have_text("1 down")
    board.conditions = {"ETHUSDT": "healing", "SOLUSDT": "slow", "LTCUSDT": "outranked"}
    expect(page.locator("#reason")).to_have_text("1 down, 1 slow, 1 healing", timeout=3_000)
    expect(page.locator("#live")).to_have_text("10 / 12")
    page.screenshot(path=screenshots / "board-conditions.png")
    for symbol, words in (
        ("ETHUSDT", "missing trades being fetched"),
        ("LTCUSDT", "others trade more, not watched any more"),
    ):
        page.locator(f"[data-symbol={symbol}]").click()
        expect(page.locator("#symbol-state")).to_have_text(words)
        page.keyboard.press("Escape")
        page.locator(f"[data-symbol={symbol}]").focus()
        expect(page.locator(f"[data-symbol={symbol}]")).to_have_attribute(
            "aria-label", re.compile(f", {words}, last trade 0")
        )


def test_restarted_pipeline_is_shown_from_its_new_beginning(
    serve_board: Serve, open_page: OpenPage
) -> None:
    board = RecordedBoard(12, history_s=300)
    page = open_page(serve_board(board).url)
    expect(page.locator("#anomaly-rows tr")).not_to_have_count(0)
    board.restart()
    expect(page.locator("#anomaly-rows tr")).to_have_count(0)
    expect(page.locator("#state")).to_have_text("LIVE")


def test_page_that_loses_its_server_says_so(browser_page_without_checks: Page) -> None:
    page = browser_page_without_checks
    server = serve(RecordedBoard(3, history_s=30), host="127.0.0.1", port=0)
    page.goto(server.url)
    expect(page.locator("#state")).to_have_text("LIVE")
    server.stop()
    expect(page.locator("#state")).to_have_text("OFFLINE", timeout=5_000)
    again = serve(RecordedBoard(3, history_s=30), host="127.0.0.1", port=server.port)
    expect(page.locator("#state")).to_have_text("LIVE", timeout=10_000)
    again.stop()


def test_hostile_symbol_is_only_text(serve_board: Serve, open_page: OpenPage) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    board = RecordedBoard(3, history_s=300, rename={"ETHUSDT": hostile})
    page = open_page(serve_board(board).url)
    page.get_by_role("gridcell").nth(1).click()
    expect(page.locator("#symbol")).to_have_text(hostile)
    expect(page.locator("#anomaly-rows .symbol", has_text="<img").first).to_be_visible()
    assert page.locator("img").count() == 0


def test_two_hundred_symbols_scroll_on_one_canvas(
    serve_board: Serve, open_page: OpenPage, screenshots: Path
) -> None:
    page = open_page(serve_board(RecordedBoard(200, history_s=400)).url)
    expect(page.get_by_role("gridcell")).to_have_count(200)
    page.screenshot(path=screenshots / "board-200.png")
    assert page.locator("#canvas").evaluate("(canvas) => canvas.height") <= 900
    page.locator("[data-symbol=BTCUSDT]").focus()
    page.keyboard.press("End")
    expect(page.locator("[data-symbol=COIN199USDT]")).to_be_focused()
    expect(page.locator("[data-symbol=COIN199USDT]")).to_be_in_viewport()
    expect(page.locator("[data-symbol=COIN199USDT]")).to_have_attribute(
        "aria-label", re.compile(r"^COIN199USDT, price .*, feed down, last trade")
    )
