"""The page's pure modules, called in a real browser with literal values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.viz.recorded_board import RecordedBoard
from viz.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    Evaluate = Callable[[str, str], Any]

pytestmark = pytest.mark.browser

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def evaluate(browser: Browser) -> Iterator[Evaluate]:
    """Evaluate an expression over the exports `m` of a module in viz/static."""
    server = serve(RecordedBoard(2, history_s=5), host="127.0.0.1", port=0)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/static/icon.svg")
    yield lambda module, expression: page.evaluate(
        f"async () => {{ const m = await import('/viz/static/{module}.js'); return {expression}; }}"
    )
    context.close()
    server.stop()


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("m.price(64012.5, 2)", "64,012.50"),
        ("m.price(0.00001234, 8)", "0.00001234"),
        ("m.price(null, 2)", DASH),
        ("m.price(0, 2)", "0.00"),
        ("m.percent(0.634)", "63.4 %"),
        ("m.percent(0)", "0.0 %"),
        ("m.percent(NaN)", DASH),
        ("m.signed(4.26)", "+4.3"),
        ("m.signed(-4.26)", f"{MINUS}4.3"),
        ("m.signed(-0.01)", "0.0"),
        ("m.signed(null)", DASH),
        ("m.age(0)", "0.0 s"),
        ("m.age(9.94)", "9.9 s"),
        ("m.age(42.9)", "42 s"),
        ("m.age(125)", "2 m"),
        ("m.age(7200)", "2 h"),
        ("m.age(200000)", "2 d"),
        ("m.age(null)", DASH),
        ("m.clock(1735693387000)", "01:03:07"),
        ("m.clock(null)", DASH),
        ("m.count(8300.4)", "8,300"),
    ],
)
def test_format(evaluate: Evaluate, expression: str, text: str) -> None:
    assert evaluate("format", expression) == text


@pytest.mark.parametrize(
    ("state", "note"),
    [
        ("live", None),
        ("skewed", None),
        ("lossy", None),
        ("stale", "9 s"),
        ("down", "off 9 s"),
        ("halted", "halted 9 s"),
        ("quiet", "quiet 9 s"),
        ("healing", "healing"),
        ("delisted", "delisted"),
    ],
)
def test_note_of_a_cell(evaluate: Evaluate, state: str, note: str | None) -> None:
    assert evaluate("states", f"m.noteOf('{state}', '9 s')") == note


@pytest.mark.parametrize(("tick", "places"), [(0.01, 2), (1, 0), (0.5, 1), (1e-8, 8), (10, 0)])
def test_decimals_show_the_smallest_step(evaluate: Evaluate, tick: float, places: int) -> None:
    assert evaluate("format", f"m.decimals({tick})") == places


def test_grid_takes_as_few_columns_as_its_rows_need(evaluate: Evaluate) -> None:
    # Five of at least 148 px would fit, and need three rows as four do.
    grid = evaluate("layout", "m.gridOf(12, 770, 420)")
    assert (grid["columns"], grid["rows"], grid["cellHeight"]) == (4, 3, 136)


def test_grid_of_many_keeps_cells_legible(evaluate: Evaluate) -> None:
    grid = evaluate("layout", "m.gridOf(200, 770, 420)")
    assert (grid["columns"], grid["rows"], grid["cellHeight"]) == (5, 40, 56)
    assert grid["cellWidth"] >= 148


def test_grid_on_a_phone_is_two_wide(evaluate: Evaluate) -> None:
    assert evaluate("layout", "m.gridOf(12, 280, 300).columns") == 2


def test_arrow_at_an_edge_stays(evaluate: Evaluate) -> None:
    steps = "['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight']"
    expression = f"{steps}.map((key) => m.step({{columns: 4}}, 1, key, 6))"
    assert evaluate("layout", expression) == [1, 5, 0, 2]
    assert evaluate("layout", "m.step({columns: 4}, 5, 'ArrowRight', 6)") == 5


def test_lines_of_late_and_restated_rows_are_in_time_order(evaluate: Evaluate) -> None:
    data = "{i: [0, 1, 0, 0, 0], t: [10, 10, 30, 20, 30], v: [1, 9, 3, 2, 4]}"
    lines = evaluate("sparks", f"m.linesOf({data}, 2).map(({{ t, v }}) => [t, v])")
    assert lines == [[[10, 20, 30], [1, 2, 4]], [[10], [9]]]


def test_runs_break_at_missing_values_and_missing_steps(evaluate: Evaluate) -> None:
    line = "{t: [0, 10, 20, 30, 60, 70], v: [1, 2, NaN, 3, 4, 5]}"
    runs = evaluate("sparks", f"m.runsOf({line}, 10, 5)")
    assert runs == [[[10, 2]], [[30, 3]], [[60, 4], [70, 5]]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m.calmRange([0, 10], 2, 9)", [0, 10]),  # holds, and fills a good part
        ("m.calmRange([0, 10], 2, 11)", [0.2, 12.8]),  # grew out of it
        ("m.calmRange([0, 100], 0, 20)", [-4, 24]),  # fills too little of it
        ("m.calmRange([0, 0], 0, 20, 0)", [0, 24]),  # a magnitude starts at zero
    ],
)
def test_calm_range_changes_seldom(
    evaluate: Evaluate, expression: str, expected: list[float]
) -> None:
    assert evaluate("detail", expression) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("row", "reach", "words"),
    [
        (0, 3000, "rose at 01:03:09"),
        (0, 1999, ""),
        (3, 9000, "fell at 01:03:10"),
        (4, 1000, "fell at 01:03:10"),
        (5, 1000, ""),
    ],
)
def test_change_of_volatility_is_told_where_its_mark_is_near(
    evaluate: Evaluate, row: int, reach: int, words: str
) -> None:
    columns = """{
      t: [0, 1, 2, 3, 4, 5].map((at) => 1735693387000 + 1000 * at),
      risen: [NaN, NaN, 0.5, NaN, NaN, NaN], fallen: [NaN, NaN, NaN, 0.4, NaN, NaN],
    }"""
    assert evaluate("detail", f"m.changeNear({columns}, {row}, {reach})") == words
