"""What Bokeh's way of loading an app folder asks of the files in it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

from pipeline import conditions
from viz.session import SPARK_S

VIZ = Path(__file__).resolve().parents[2] / "viz"


def test_no_module_of_viz_hides_another() -> None:
    # While main.py runs, viz/ is the first place where a name is looked up.
    names = {path.stem for path in VIZ.glob("*.py")} - {"__init__"}
    packages = {"ray", "pipeline", "actors", "polars", "numpy", "msgspec", "tornado", "bokeh"}
    hidden = names & (packages | set(sys.stdlib_module_names))
    assert hidden == set()
    found = {name for name in names if importlib.util.find_spec(name) is not None}
    assert found == set()


def test_page_and_session_agree_how_far_sparklines_reach() -> None:
    script = (VIZ / "static" / "board.js").read_text()
    assert f"const SPARK_MS = {SPARK_S * 1_000};" in script


def test_entry_of_a_page_stays_short() -> None:
    # It runs anew for every page.
    assert len((VIZ / "main.py").read_text().splitlines()) <= 20


def test_template_escapes_what_it_is_given() -> None:
    # It is given numbers of ours only; symbols reach the page as JSON and become text there.
    for path in (VIZ / "static").glob("*.js"):
        assert "innerHTML" not in path.read_text(), path.name


def test_every_condition_has_words_on_the_page() -> None:
    words = re.findall(r"^\| `(\w+)` \|", conditions.__doc__ or "", re.MULTILINE)
    told = re.findall(r"^  (\w+): \"", (VIZ / "static" / "states.js").read_text(), re.MULTILINE)
    assert sorted(told) == sorted([*words, "warming"])
