from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.id_ranges import IdRanges


def test_append_of_the_next_id_joins_its_range() -> None:
    ranges = IdRanges(capacity=10)
    ranges.append(5, 7)
    ranges.append(8, 9)
    ranges.append(11, 11)
    assert list(ranges) == [(5, 9), (11, 11)]


def test_take_of_an_id_inside_splits_its_range() -> None:
    ranges = IdRanges([(5, 9)], capacity=10)
    assert ranges.take(np.array([7, 4, 7, 10])).tolist() == [True, False, False, False]
    assert list(ranges) == [(5, 6), (8, 9)]


def test_append_beyond_capacity_forgets_the_lowest() -> None:
    ranges = IdRanges(capacity=2)
    for first in (1, 5, 9):
        ranges.append(first, first + 1)
    assert list(ranges) == [(5, 6), (9, 10)]
    assert ranges.take(np.array([1])).tolist() == [False]


@given(st.sets(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_take_of_any_ids_is_what_a_set_would_do(lost: set[int], ids: list[int]) -> None:
    ranges = IdRanges(capacity=100)
    for one in sorted(lost):
        ranges.append(one, one)
    taken = ranges.take(np.array(ids, dtype=np.int64))
    expected = []
    left = set(lost)
    for one in ids:
        expected.append(one in left)
        left.discard(one)
    assert taken.tolist() == expected
    assert [one for first, last in ranges for one in range(first, last + 1)] == sorted(left)
