"""The demo as a user sees it: exchange, Ray actors, coordinator, and a page in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.commands import Command

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ALL_LIVE_MS = 90_000

#: The overview's cell and the marks of the chosen symbol that lie in the visible window.
MARKS = """() => {
  const figure = Bokeh.documents[0].roots().find((root) => root.name === "volatility");
  const shown = (t) => t >= figure.x_range.start && t <= figure.x_range.end;
  return figure.renderers
    .filter((renderer) => renderer.name === "anomalies")
    .flatMap((renderer) => {
      const { symbol, start_ms, volatility } = renderer.data_source.data;
      const chosen = document.getElementById("symbol").textContent;
      return Array.from(start_ms).filter(
        (t, at) => symbol[at] === chosen && shown(t) && Number.isFinite(volatility[at]),
      );
    }).length;
}"""


def test_demo_shows_twelve_markets_moving_opens_one_and_marks_its_anomalies(
    cluster: str,
    command: Callable[..., Command],
    open_page: Callable[..., Page],
    screenshots: Path,
) -> None:
    run = command("run", "--address", cluster, "--set", "board.port=0")
    url = run.line_with("board: ").removeprefix("board: ")
    page = open_page(url)
    expect(page.locator("#live")).to_have_text("12 / 12", timeout=ALL_LIVE_MS)
    expect(page.locator("#state")).to_have_text("LIVE")

    before = page.locator("#read-price").text_content()
    expect(page.locator("#read-price")).not_to_have_text(str(before), timeout=20_000)
    canvas = page.evaluate("document.getElementById('canvas').toDataURL()")
    page.wait_for_function(
        "(before) => document.getElementById('canvas').toDataURL() !== before", arg=canvas
    )

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#symbol")).to_have_text("ETHUSDT")
    expect(page.locator("#read-price")).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))

    # The key goes to the newest anomaly, whichever symbol had it, and the panes show it.
    page.keyboard.press("a")
    page.wait_for_function(f"({MARKS})() > 0", timeout=20_000)

    page.screenshot(path=screenshots / "demo-1400-dark.png")
    light = open_page(url, scheme="light")
    light.wait_for_function("document.getElementById('live').textContent === '12 / 12'")
    light.screenshot(path=screenshots / "demo-1400-light.png")
    phone = open_page(url, width=390, height=844)
    phone.wait_for_function("document.getElementById('live').textContent === '12 / 12'")
    phone.screenshot(path=screenshots / "demo-390-dark.png")
