from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration_us"),
    [
        ("250ms", 250_000),
        ("1s", 1_000_000),
        ("5m", 300_000_000),
        ("1h", 3_600_000_000),
        ("7d", 604_800_000_000),
        ("0s", 0),
        ("3us", 3),
    ],
)
def test_parse_duration_with_a_unit_returns_microseconds(text: str, duration_us: int) -> None:
    assert parse_duration(text) == duration_us


@pytest.mark.parametrize("text", ["", "5", "s", "1.5s", "-1s", "1 s", "1min", "1h30m", "1S"])
def test_parse_duration_of_anything_else_raises(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_format_duration_is_read_back_exactly(duration_us: int) -> None:
    assert parse_duration(format_duration(duration_us)) == duration_us


def test_format_duration_uses_the_largest_exact_unit() -> None:
    assert [format_duration(us) for us in (90_000_000, 60_000_000, 1_500, 0)] == [
        "90s",
        "1m",
        "1500us",
        "0us",
    ]
