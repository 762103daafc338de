"""Limbs against Python's whole numbers, which have no limbs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit

from pipeline import wide

WORD, TWO_WORDS = 2**64, 2**128

# No deadline: the first call of a compiled function loads it.
tried = settings(max_examples=300, deadline=None)

# Whole numbers that carry or borrow at a limb, and any others.
EDGES = [0, 1, 2, 2**63 - 1, 2**63, WORD - 1, WORD, WORD + 1, 2**127 - 1]
UNSIGNED = st.sampled_from(EDGES) | st.integers(0, TWO_WORDS - 1)
ADDENDS = st.sampled_from(EDGES) | st.integers(0, 2**127 - 1)
WORDS = st.sampled_from([one for one in EDGES if one < WORD]) | st.integers(0, WORD - 1)
SIGNED_WORDS = st.sampled_from([0, 1, -1, 2**62, -(2**62)]) | st.integers(-(2**63) + 1, 2**63 - 1)
SUMS = (
    st.sampled_from([sign * (TWO_WORDS + edge) for sign in (1, -1) for edge in (-1, 0, 1, WORD)])
    | st.sampled_from([sign * edge for sign in (1, -1) for edge in EDGES])
    | st.integers(-(2**180), 2**180)
)
# As many and as large values as there can be: a return is at most 4, in units of 2^-58.
RETURNS = st.lists(
    st.sampled_from([0, 1, -1, 2**32, 2**60, -(2**60)]) | st.integers(-(2**60), 2**60),
    min_size=1,
    max_size=40,
)


@njit("UniTuple(uint64, 2)(uint64, uint64)")
def product(a: np.uint64, b: np.uint64) -> tuple[int, int]:
    return wide.multiply(a, b)  # type: ignore[no-any-return]  # compiled


def limbs(number: int) -> tuple[np.uint64, np.uint64]:
    return np.uint64(number % TWO_WORDS // WORD), np.uint64(number % WORD)


def limbs3(number: int) -> tuple[np.int64, np.uint64, np.uint64]:
    return np.int64(number // TWO_WORDS), *limbs(number)


def rolled(total: int, terms: list[tuple[bool, int]]) -> int:
    """Add terms, or take them away where they are negative."""
    for negative, term in terms:
        roll = wide.subtract3 if negative else wide.add3
        top, high, low = roll(*limbs3(total), *limbs(term))
        total = (top * WORD + high) * WORD + low
    return total


def is_near(found: float, wanted: Fraction | int, roundings: int = 2) -> bool:
    return abs(Fraction(found) - wanted) <= Fraction(roundings, 2**53) * abs(wanted)


@tried
@given(WORDS, WORDS)
@example(WORD - 1, WORD - 1)
def test_multiply_gives_both_limbs_of_the_product(a: int, b: int) -> None:
    assert product(np.uint64(a), np.uint64(b)) == limbs(a * b)


@tried
@given(UNSIGNED, UNSIGNED)
@example(WORD - 1, 1)
@example(TWO_WORDS - 1, 1)
def test_add_carries_from_the_low_limb_and_wraps_at_the_high_one(a: int, b: int) -> None:
    assert wide.add(*limbs(a), *limbs(b)) == limbs(a + b)


@tried
@given(UNSIGNED, UNSIGNED)
@example(WORD, 1)
@example(0, 1)
def test_subtract_borrows_from_the_high_limb_and_wraps_below_zero(a: int, b: int) -> None:
    assert wide.subtract(*limbs(a), *limbs(b)) == limbs(a - b)


@tried
@given(SUMS, ADDENDS)
@example(TWO_WORDS - 1, 1)
@example(-1, 1)
@example(-TWO_WORDS, 2**127 - 1)
def test_add3_carries_through_three_limbs(total: int, more: int) -> None:
    """(15)."""
    assert wide.add3(*limbs3(total), *limbs(more)) == limbs3(total + more)


@tried
@given(SUMS, ADDENDS)
@example(TWO_WORDS, 1)
@example(0, 1)
@example(0, 2**127 - 1)
def test_subtract3_borrows_through_three_limbs(total: int, less: int) -> None:
    """(15)."""
    assert wide.subtract3(*limbs3(total), *limbs(less)) == limbs3(total - less)


@tried
@given(st.lists(st.tuples(st.booleans(), ADDENDS), max_size=60))
def test_sum_that_everything_has_left_is_zero_again(terms: list[tuple[bool, int]]) -> None:
    total = rolled(0, terms)
    assert total == sum(-term if negative else term for negative, term in terms)
    assert rolled(total, [(not negative, term) for negative, term in terms]) == 0


@tried
@given(st.integers(-(2**127), 2**127 - 1) | SIGNED_WORDS, SIGNED_WORDS)
@example(0, -1)
@example(-1, 1)
@example(WORD - 1, 1)
@example(WORD, -1)
def test_shift_moves_a_signed_number_either_way(number: int, by: int) -> None:
    assert wide.shift(*limbs(number), np.int64(by)) == limbs(number + by)


@tried
@given(UNSIGNED)
@example(2**63)
def test_as_float_is_the_nearest_double_to_a_rounding_a_limb(number: int) -> None:
    assert is_near(wide.as_float(*limbs(number)), number)


@tried
@given(SUMS)
@example(-1)
@example(-TWO_WORDS)
@example(-TWO_WORDS - 1)
@example(1 - TWO_WORDS)
def test_as_float3_is_the_nearest_double_of_a_signed_sum_to_a_rounding_a_limb(total: int) -> None:
    assert is_near(wide.as_float3(*limbs3(total)), total)


@pytest.mark.parametrize("number", [0, 1, -1, 2**53, -(2**53), 2**64, -(2**64), 3 * 2**128])
def test_as_float3_of_what_a_double_holds_is_that(number: int) -> None:
    assert wide.as_float3(*limbs3(number)) == float(number)


@tried
@given(st.sampled_from([-(2**126), *EDGES[:-1]]) | st.integers(-(2**127), 2**127 - 1))
@example(-1)
@example(-WORD)
@example(2**127 - 1)
@example(-(2**127))
def test_as_signed_float_is_the_nearest_double_to_a_rounding_a_limb(number: int) -> None:
    assert is_near(wide.as_signed_float(*limbs(number)), number)


def scattered(values: list[int], repeated: int = 1) -> tuple[float, Fraction]:
    """What scatter makes of the sums of repeated values, and what it is."""
    count, total = len(values) * repeated, sum(values) * repeated
    squares = sum(value * value for value in values) * repeated
    found = wide.scatter(np.int64(count), *limbs3(squares), *limbs(total))
    return found, squares - Fraction(total * total, count)


@tried
@given(RETURNS)
def test_scatter_is_exact_before_its_last_roundings(values: list[int]) -> None:
    found, wanted = scattered(values)
    assert is_near(found, wanted, 4)
    assert found >= 0.0


@tried
@given(st.integers(-(2**60), 2**60), st.integers(1, 15))
def test_scatter_of_equal_values_is_exactly_zero(value: int, count: int) -> None:
    assert scattered([value], count) == (0.0, Fraction(0))


def test_scatter_of_values_that_differ_in_the_last_unit_is_exact() -> None:
    # n k^2 + 2k + 1 less (nk + 1)^2 / n: what is left of 2^116 is 1 - 1/n.
    found, wanted = scattered([2**58] * 7 + [2**58 + 1])
    assert wanted == Fraction(7, 8)
    assert found == 0.875


@pytest.mark.parametrize("sign", [1, -1])
def test_scatter_of_more_than_is_squared_exactly_is_near_and_never_negative(sign: int) -> None:
    # 60 returns of 4 and one of 0: their sum is beyond 64 bits.
    found, wanted = scattered([sign * 2**60] * 60 + [0])
    assert is_near(found, wanted, 2**10)
    assert scattered([sign * 2**60], 60)[0] == 0.0


def test_scatter_of_many_large_values_of_both_signs_uses_the_top_limb() -> None:
    random = np.random.default_rng(1)
    values = [int(value) for value in random.choice([2**60, -(2**60), 2**59], 1000)]
    found, wanted = scattered(values, 1000)
    assert is_near(found, wanted, 2**10)
