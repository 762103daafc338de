"""A page of the board in a real browser, at any address."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = shutil.which("chromium")

#: Without a sandbox (containers), a GPU, or anything that dials out by itself.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
]

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"

#: A tick was painted and acknowledged, and the figures were laid out.
READY = """() => {
  const link = globalThis.Bokeh?.documents?.[0]?.roots().length === 3
    && [...Bokeh.documents[0]._all_models.values()].find((model) => "painted_ms" in model);
  return Boolean(link) && link.painted_ms > 0;
}"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address at a size; the test fails when the page complained about anything."""
    complaints: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    def open_(
        url: str, *, width: int = 1400, height: int = 900, scheme: str = "dark", wait: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]  # dark or light, as playwright names them
            reduced_motion="reduce",
            device_scale_factor=1,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.goto(url)
        if wait:
            page.wait_for_function(READY, timeout=30_000)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def browser_page_without_checks(browser: Browser) -> Iterator[Page]:
    """A page that may complain: for a test that takes its server away."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder for pictures of the board."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
