"""128-bit integers as two uint64 limbs, for compiled loops: exact sums that never drift."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_LIMB = 2.0**64


@njit("UniTuple(uint64, 2)(uint64, uint64)", cache=True, nogil=True, inline="always")
def multiply(a: Any, b: Any) -> tuple[Any, Any]:  # noqa: ANN401 - compiled, uint64
    """Return the (high, low) limbs of a * b."""
    a_low, a_high = a & _MASK, a >> _HALF
    b_low, b_high = b & _MASK, b >> _HALF
    low = a_low * b_low
    middle = a_high * b_low + (low >> _HALF)
    other = a_low * b_high + (middle & _MASK)
    high = a_high * b_high + (middle >> _HALF) + (other >> _HALF)
    return high, (other << _HALF) | (low & _MASK)


@njit(
    "UniTuple(uint64, 2)(uint64, uint64, uint64, uint64)", cache=True, nogil=True, inline="always"
)
def add(high: Any, low: Any, more_high: Any, more_low: Any) -> tuple[Any, Any]:  # noqa: ANN401 - compiled, uint64
    """Return the limbs of the sum, modulo 2^128."""
    total = low + more_low
    carry = _ONE if total < low else _ZERO
    return high + more_high + carry, total


@njit(
    "UniTuple(uint64, 2)(uint64, uint64, uint64, uint64)", cache=True, nogil=True, inline="always"
)
def subtract(high: Any, low: Any, less_high: Any, less_low: Any) -> tuple[Any, Any]:  # noqa: ANN401 - compiled, uint64
    """Return the limbs of the difference, modulo 2^128."""
    borrow = _ONE if low < less_low else _ZERO
    return high - less_high - borrow, low - less_low


@njit("float64(uint64, uint64)", cache=True, nogil=True, inline="always")
def as_float(high: Any, low: Any) -> Any:  # noqa: ANN401 - compiled, uint64 to float64
    """Return the nearest double, to within one rounding of each limb."""
    return np.float64(high) * _LIMB + np.float64(low)
