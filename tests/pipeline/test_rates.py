from __future__ import annotations

import pytest

from pipeline.rates import parse_rate


@pytest.mark.parametrize(
    ("text", "per_day"),
    [("0.5/d", 0.5), ("3/30d", 0.1), ("1/365d", 1 / 365), ("2/h", 48.0), ("1/6h", 4.0)],
)
def test_parse_rate_with_a_span_is_so_many_a_day(text: str, per_day: float) -> None:
    rate = parse_rate(text)
    assert (str(rate), rate.per_day) == (text, per_day)


@pytest.mark.parametrize("text", ["", "0.5", "/d", "1/m", "-1/d", "1 / d", "1e3/d", ".5/d", 0.5])
def test_parse_rate_of_anything_else_raises(text: object) -> None:
    with pytest.raises(ValueError, match=r"expected a rate such as 0.5/d, 3/30d or 2/h, found"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0/d", "1/366d", "1001/h", "1/0d"])
def test_parse_rate_out_of_range_raises(text: str) -> None:
    with pytest.raises(ValueError, match=f"expected a rate from 1/365d to 1000/h, found {text}"):
        parse_rate(text)
