"""Contrast, computed from the one file of colours by the formula of WCAG 2.2."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "viz" / "static"

TEXT = ["text", "secondary", "muted", "vol", "z", "threshold", "anomaly", "up", "down"]
MARKS = ["price", "focus"]
GROUNDS = ["panel", "page", "raised"]


def themes() -> dict[str, dict[str, str]]:
    css = (STATIC / "tokens.css").read_text()
    found = re.findall(r'\[data-theme="(\w+)"\] \{(.*?)\}', css, re.DOTALL)
    return {name: dict(re.findall(r"--([\w-]+): (#[0-9A-F]{6});", body)) for name, body in found}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_is_readable(theme: str) -> None:
    tokens = themes()[theme]
    poor = {
        (name, ground): round(contrast(tokens[name], tokens[ground]), 2)
        for name in TEXT
        for ground in GROUNDS
        if contrast(tokens[name], tokens[ground]) < 4.5
    }
    assert poor == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_marks_are_visible(theme: str) -> None:
    tokens = themes()[theme]
    assert [name for name in MARKS if contrast(tokens[name], tokens["panel"]) < 3.0] == []


def test_both_themes_define_the_same_tokens() -> None:
    assert set(themes()["dark"]) == set(themes()["light"])


def test_every_token_in_use_is_defined() -> None:
    defined = set(re.findall(r"(--[\w-]+):", (STATIC / "tokens.css").read_text()))
    board = (STATIC / "board.css").read_text()
    own = set(re.findall(r"(--[\w-]+):", board))
    from_scripts = {"--columns", "--cell-height"}
    assert set(re.findall(r"var\((--[\w-]+)\)", board)) <= defined | own | from_scripts


def test_no_colour_is_chosen_outside_the_tokens() -> None:
    for path in STATIC.glob("*.js"):
        assert re.findall(r"#[0-9a-fA-F]{6}\b|rgba?\(", path.read_text()) == [], path.name
    assert re.findall(r"#[0-9a-fA-F]{3,6};|rgba?\(", (STATIC / "board.css").read_text()) == []
