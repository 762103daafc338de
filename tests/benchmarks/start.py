"""From the command to the first painted numbers, with everything installed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.commands import Command

if TYPE_CHECKING:
    from pathlib import Path

#: The chosen market's volatility is written on the page.
NUMBERS = "() => /\\d %/.test(document.body.innerText)"

ALL_LIVE = "() => document.getElementById('live')?.textContent === '12 / 12'"


def start(folder: Path) -> dict[str, dict[str, Any]]:
    """Return how long after the command the board answered, painted, and was complete."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        began_s = time.monotonic()
        run = Command(
            "run", "--address", "local", "--set", "board.port=0", log=folder / "start.log"
        )
        try:
            url = run.line_with("board: ").removeprefix("board: ")
            page.goto(url)
            reachable_s = time.monotonic() - began_s
            page.wait_for_function(NUMBERS, timeout=90_000)
            numbers_s = time.monotonic() - began_s
            page.wait_for_function(ALL_LIVE, timeout=90_000)
            live_s = time.monotonic() - began_s
        finally:
            run.interrupt()
            run.wait()
            run.end()
        browser.close()
    return {
        "ours": {
            "rows": 12,
            "board_reachable_s": round(reachable_s, 1),
            "first_numbers_s": round(numbers_s, 1),
            "all_symbols_live_s": round(live_s, 1),
        }
    }
