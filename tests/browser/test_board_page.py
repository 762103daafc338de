"""The board in a real browser, on recorded data."""

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

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def board() -> RecordedBoard:
    return RecordedBoard(12)


@pytest.fixture(scope="module")
def server(board: RecordedBoard) -> Iterator[BoardServer]:
    server = serve(board, host="127.0.0.1", port=0)
    yield server
    server.stop()


def pixels(page: Page, name: str) -> str:
    """Return what a pane or the overview has on its canvas, as text that can be compared."""
    return str(
        page.evaluate(
            """(name) => {
              if (name === "overview") return document.getElementById("canvas").toDataURL();
              const view = Bokeh.index.roots.find((root) => root.model.name === name);
              return view.canvas_view.compose().canvas.toDataURL();
            }""",
            name,
        )
    )


def model_value(page: Page, expression: str) -> object:
    """Evaluate an expression over `pane`, a function from a name to a figure."""
    return page.evaluate(
        f"""() => {{
          const pane = (name) => Bokeh.documents[0].roots().find((root) => root.name === name);
          return {expression};
        }}"""
    )


def test_page_opens_live_and_complete(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    expect(page.locator("#state")).to_have_text("LIVE")
    expect(page.locator("#live")).to_have_text("11 / 12")
    expect(page.get_by_role("gridcell")).to_have_count(12)
    expect(page.locator("#symbol")).to_have_text("BTCUSDT")
    expect(page.locator("#enter")).to_have_text("6.0")
    expect(page.locator("#headline")).to_have_text("realized_vol_1m, annualised")


def test_data_moves(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    overview, volatility = pixels(page, "overview"), pixels(page, "volatility")
    rows = int(str(model_value(page, "pane('price').renderers[0].data_source.data.t.length")))
    price = page.locator("#read-price").text_content()
    expect(page.locator("#read-price")).not_to_have_text(str(price))
    page.wait_for_function(
        "(before) => document.getElementById('canvas').toDataURL() !== before", arg=overview
    )
    newest = "pane('price').renderers[0].data_source.data.t"
    last = model_value(page, f"{newest}[{newest}.length - 1]")
    page.wait_for_function(
        """(last) => {
          const t = Bokeh.documents[0].roots()[0].renderers[0].data_source.data.t;
          return t[t.length - 1] > last;
        }""",
        arg=last,
    )
    assert rows >= 890
    page.wait_for_function(
        """(before) => Bokeh.index.roots.find((root) => root.model.name === "volatility")
          .canvas_view.compose().canvas.toDataURL() !== before""",
        arg=volatility,
    )


def test_keyboard_walks_the_grid_and_opens_a_symbol(
    server: BoardServer, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.keyboard.press("ArrowRight")  # from nowhere to the chosen cell
    expect(page.locator("[data-symbol=BTCUSDT]")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-symbol=DOGEUSDT]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#symbol")).to_have_text("DOGEUSDT")
    expect(page).to_have_url(re.compile(r"[?&]s=DOGEUSDT"))
    expect(page.locator("#read-price")).to_have_text(re.compile(r"^0\.12\d{3}$"))
    # Its own rows arrived.
    page.wait_for_function(
        """() => {
          const { price } = Bokeh.documents[0].roots()[0].renderers[0].data_source.data;
          return price[price.length - 1] < 1;
        }"""
    )
    page.locator("#theme").focus()
    page.keyboard.press("Escape")
    expect(page.locator("[data-symbol=DOGEUSDT]")).to_be_focused()


def test_click_opens_a_symbol(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.locator("[data-symbol=SOLUSDT]").click()
    expect(page.locator("#symbol")).to_have_text("SOLUSDT")
    expect(page.locator("[data-symbol=SOLUSDT]")).to_have_attribute("aria-selected", "true")


def test_address_chooses_symbol_and_theme(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url + "?s=ADAUSDT&theme=light")
    expect(page.locator("#symbol")).to_have_text("ADAUSDT")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_filter_narrows_the_grid_and_enter_opens_the_first(
    server: BoardServer, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.keyboard.press("/")
    page.keyboard.type("avax")
    expect(page.get_by_role("gridcell")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#symbol")).to_have_text("AVAXUSDT")
    page.locator("#filter").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("gridcell")).to_have_count(12)


def test_anomaly_is_marked_and_shaded_on_the_volatility_graph(
    server: BoardServer, open_page: OpenPage
) -> None:
    page = open_page(server.url + "?s=ETHUSDT")
    page.locator("#detail").scroll_into_view_if_needed()
    found = model_value(
        page,
        """(() => {
          const renderers = pane("volatility").renderers;
          const marks = renderers.find((renderer) => renderer.name === "anomalies");
          const shades = renderers.find((renderer) => renderer.glyph.type === "VStrip");
          const rows = [...marks.view.filter.compute_indices(marks.data_source)];
          const { symbol, marker, volatility, start_ms, shade_ms } = marks.data_source.data;
          const range = pane("volatility").x_range;
          return rows.map((row) => ({
            symbol: symbol[row], marker: marker[row], marked: Number.isFinite(volatility[row]),
            seen: start_ms[row] > range.start && shade_ms[row] > range.end,
            shaded: shades.view.filter === marks.view.filter,
          }));
        })()""",
    )
    assert found == [
        {
            "symbol": "ETHUSDT",
            "marker": "inverted_triangle",
            "marked": True,
            "seen": True,
            "shaded": True,
        }
    ]


def test_changes_of_volatility_are_marked_and_told_beside_the_title(
    server: BoardServer, open_page: OpenPage
) -> None:
    page = open_page(server.url + "?s=BTCUSDT")
    found = model_value(
        page,
        """["risen", "fallen"].map((name) => {
          const marks = pane("volatility").renderers.find((renderer) => renderer.name === name);
          const rows = Array.from(marks.data_source.data[name], Number.isFinite);
          const row = rows.indexOf(true);
          cryptoctopus.read({ index: { line_indices: [row - 3] } });
          const words = document.getElementById("regime").textContent;
          return [marks.glyph.marker.value, rows.filter(Boolean).length, words.slice(0, 8)];
        })""",
    )
    assert found == [["triangle", 1, "rose at "], ["inverted_triangle", 1, "fell at "]]


def test_anomaly_list_opens_the_symbol_by_key(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    first = page.locator("#anomaly-rows tr").first
    symbol = str(first.locator(".symbol").text_content())
    page.keyboard.press("a")
    expect(first).to_be_focused()
    expect(page.locator("#symbol")).to_have_text(symbol)
    page.keyboard.press("a")
    second = page.locator("#anomaly-rows tr").nth(1)
    expect(page.locator("#symbol")).to_have_text(str(second.locator(".symbol").text_content()))
    eth = page.locator("#anomaly-rows tr", has_text="ETHUSDT")
    expect(eth).to_contain_text("critical")
    expect(eth).to_contain_text("\N{MINUS SIGN}14.2")
    expect(eth).to_contain_text("open")


def test_theme_switches_page_and_figures_in_place(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    line = "pane('price').renderers[0].glyph.line_color.value"
    assert model_value(page, line) == "#C9D4DF"
    page.keyboard.press("t")
    assert model_value(page, line) == "#2B3947"
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_first_visit_follows_the_system(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url, scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_window_changes_how_far_the_panes_reach(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.keyboard.press("[")
    expect(page.get_by_role("button", name="5 min", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.wait_for_function(
        "() => Bokeh.documents[0].roots()[0].renderers[0].data_source.data.t.length < 310"
    )
    span = "pane('score').x_range.end - pane('score').x_range.start"
    page.wait_for_function(
        """() => {
          const { start, end } = Bokeh.documents[0].roots()[0].x_range;
          return end - start === 303000;
        }"""
    )
    assert model_value(page, span) == 303_000


def test_pointer_reads_all_panes_at_one_time(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    box = page.locator(".plot").nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    expect(page.locator("#moment")).to_have_text(re.compile(r"^at \d\d:\d\d:\d\d UTC$"))
    page.mouse.move(10, 10)
    expect(page.locator("#moment")).to_have_text(re.compile(r"^last trade"))


def test_book_of_a_symbol_is_told_in_words_beside_its_panes_and_of_its_cell(
    server: BoardServer, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    told = re.compile(r"spread 2\.00 bp, imbalance .0\.25")
    page.locator("[data-symbol=BTCUSDT]").focus()
    expect(page.locator("[data-symbol=BTCUSDT]")).to_have_attribute("aria-label", told)
    page.locator("[data-symbol=BTCUSDT]").click()
    expect(page.locator("#moment")).to_have_text(told)
    page.keyboard.press("Escape")
    page.locator("[data-symbol=ETHUSDT]").click()
    expect(page.locator("#moment")).to_have_text(re.compile(r"^last trade [^·]*$"))


def test_help_lists_the_keys(server: BoardServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("board-1400-dark", 1400, 900, "dark"),
        ("board-1400-light", 1400, 900, "light"),
        ("board-900-light", 900, 1100, "light"),
        ("board-390-dark", 390, 844, "dark"),
    ],
)
def test_page_has_a_picture(
    server: BoardServer,
    open_page: OpenPage,
    screenshots: Path,
    name: str,
    width: int,
    height: int,
    scheme: str,
) -> None:
    page = open_page(server.url, width=width, height=height, scheme=scheme)
    page.wait_for_function("() => Bokeh.index.roots.every((root) => root.is_idle ?? true)")
    page.screenshot(path=screenshots / f"{name}.png", full_page=width < 1200)
    # Nothing is wider than the window, and on a wide one nothing is higher either.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width >= 1200:
        assert page.evaluate("document.documentElement.scrollHeight") <= height


def test_alert_of_the_market_stands_above_those_that_are_part_of_it(
    server: BoardServer, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    market = page.locator("#anomaly-rows tr", has_text="Market, 9 of 12")
    assert market.get_attribute("data-part") == "false"
    parts = [market.locator(f"xpath=following-sibling::tr[{place}]") for place in (1, 2, 3)]
    assert [part.get_attribute("data-part") for part in parts] == ["true", "true", "false"]
    assert [part.locator(".symbol").inner_text() for part in parts[:2]] == ["SOLUSDT", "XRPUSDT"]
    # A third opens four seconds after the first.
    assert re.match("[23] open", page.locator("#anomaly-count").inner_text())
    assert page.locator("#market").inner_text() == "\N{MINUS SIGN}1.4"
