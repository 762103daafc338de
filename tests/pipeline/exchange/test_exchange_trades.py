from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from pipeline.exchange.decimals import decimal_text, parse_decimal
from pipeline.exchange.ring import ColumnRing
from pipeline.exchange.trades import Trades, fills


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.00141342", 141342), ("23.00000000", 2_300_000_000), ("7", 700_000_000), ("0.10", 10**7)],
)
def test_parse_decimal_reads_what_venues_print(text: str, value: int) -> None:
    assert parse_decimal(text) == value


@pytest.mark.parametrize(
    "text", ["", "-1", "1e5", "0.123456789", ".5", "NaN", "1,5", "12345678901"]
)
def test_parse_decimal_with_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a decimal with at most 8 places"):
        parse_decimal(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00000000"), (100_000, "0.00100000"), (6_400_012_000_000, "64000.12000000")],
)
def test_decimal_text_has_eight_places(value: int, text: str) -> None:
    assert decimal_text(value) == text
    assert parse_decimal(text) == value


def test_decimal_text_of_a_negative_change_keeps_its_sign() -> None:
    assert decimal_text(-1_000_000) == "-0.01000000"


def test_fills_divide_an_aggregate_into_whole_lots(trades: Trades) -> None:
    raw = fills(trades, 100_000)

    assert raw.trade_id.tolist() == [101, 102, 103, 104, 105, 106]
    assert raw.quantity_e8.tolist() == [
        100_000_000,
        50_000_000,
        50_000_000,
        50_000_000,
        200_000,
        300_000_000,
    ]
    assert raw.price_e8.tolist()[1:4] == [10_001_000_000] * 3


def test_fills_of_uneven_lots_give_the_first_the_remainder() -> None:
    one = Trades(np.array([[1], [1], [3], [0], [100], [800], [0]], dtype=np.int64))
    assert fills(one, 100).quantity_e8.tolist() == [400, 200, 200]


def test_fills_of_less_than_a_lot_each_are_still_not_empty() -> None:
    one = Trades(np.array([[1], [1], [3], [0], [100], [200], [0]], dtype=np.int64))
    assert fills(one, 200).quantity_e8.tolist() == [68, 66, 66]


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 5))
def test_ring_holds_the_newest_columns_in_order(sizes: list[int], capacity: int) -> None:
    ring, sent = ColumnRing(1, capacity), 0
    for size in sizes:
        ring.append(np.arange(sent, sent + size).reshape(1, size))
        sent += size

    held = ring.view[0].tolist()

    assert min(sent, capacity) <= len(held) <= 2 * capacity
    assert held == list(range(sent - len(held), sent))


def test_ring_gives_its_newest_column_back() -> None:
    ring = ColumnRing(1, 4)
    assert ring.take_newest().shape == (1, 0)
    ring.append(np.array([[1, 2]]))
    assert ring.take_newest().tolist() == [[2]]
    assert ring.view.tolist() == [[1]]
