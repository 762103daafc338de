"""Wide integers as uint64 limbs, for compiled loops: exact sums that never drift or overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import types
from numba.extending import intrinsic

from pipeline.compiled import compiled

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_MAX_SIGNED = np.uint64(2**63 - 1)
_LIMB = 2.0**64
_TWO_LIMBS = 2.0**128
_NEAR_SQUARES, _NEAR_COUNT = np.uint64(2**40), 2**20
_WORD, _WIDE = ir.IntType(64), ir.IntType(128)


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def _multiply(_typing: Any, _a: Any, _b: Any) -> Any:
    """Return the (high, low) limbs of a * b: one instruction of the machine."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        a, b = (builder.zext(value, _WIDE) for value in values)
        product = builder.mul(a, b)
        high = builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _WORD)
        low = builder.trunc(product, _WORD)
        return context.make_tuple(builder, signature.return_type, (high, low))

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate


#: (high, low) = multiply(a, b), all uint64.
multiply: Any = _multiply


@compiled("UniTuple(uint64, 2)(uint64, uint64, uint64, uint64)")
def add(high: Any, low: Any, more_high: Any, more_low: Any) -> tuple[Any, Any]:
    """Return the limbs of the sum, modulo 2^128."""
    total = low + more_low
    carry = _ONE if total < low else _ZERO
    return high + more_high + carry, total


@compiled("UniTuple(uint64, 2)(uint64, uint64, uint64, uint64)")
def subtract(high: Any, low: Any, less_high: Any, less_low: Any) -> tuple[Any, Any]:
    """Return the limbs of the difference, modulo 2^128."""
    borrow = _ONE if low < less_low else _ZERO
    return high - less_high - borrow, low - less_low


@compiled("float64(uint64, uint64)")
def as_float(high: Any, low: Any) -> Any:
    """Return the nearest double, to within one rounding of each limb."""
    return np.float64(high) * _LIMB + np.float64(low)


@compiled("Tuple((int64, uint64, uint64))(int64, uint64, uint64, uint64, uint64)")
def add3(top: Any, high: Any, low: Any, more_high: Any, more_low: Any) -> tuple[Any, Any, Any]:
    """Return the limbs of a signed 192-bit sum; `more_high` is below 2^63."""
    new_high, new_low = add(high, low, more_high, more_low)
    return top + (1 if new_high < high else 0), new_high, new_low


@compiled("Tuple((int64, uint64, uint64))(int64, uint64, uint64, uint64, uint64)")
def subtract3(
    top: Any,
    high: Any,
    low: Any,
    less_high: Any,
    less_low: Any,
) -> tuple[Any, Any, Any]:
    """Return the limbs of a signed 192-bit difference; `less_high` is below 2^63."""
    new_high, new_low = subtract(high, low, less_high, less_low)
    return top - (1 if new_high > high else 0), new_high, new_low


@compiled("float64(int64, uint64, uint64)")
def as_float3(top: Any, high: Any, low: Any) -> Any:
    """Return the nearest double of a signed 192-bit integer, to within a rounding a limb."""
    if top >= 0:
        return np.float64(top) * _TWO_LIMBS + as_float(high, low)
    new_high, new_low = subtract(_ZERO, _ZERO, high, low)
    borrow = 0 if high == _ZERO and low == _ZERO else 1
    return -(np.float64(-top - borrow) * _TWO_LIMBS + as_float(new_high, new_low))


@compiled("UniTuple(uint64, 2)(uint64, uint64, int64)")
def shift(high: Any, low: Any, by: Any) -> tuple[Any, Any]:
    """Return the limbs of a signed 128-bit integer moved by a signed 64-bit one."""
    new_high, new_low = add(high, low, _ZERO, np.uint64(by))
    return (new_high - _ONE if by < 0 else new_high), new_low


@compiled("float64(uint64, uint64)")
def as_signed_float(high: Any, low: Any) -> Any:
    """Return the double of a signed 128-bit integer, to within a rounding a limb."""
    if high <= _MAX_SIGNED:
        return as_float(high, low)
    new_high, new_low = subtract(_ZERO, _ZERO, high, low)
    return -as_float(new_high, new_low)


@compiled("float64(int64, int64, uint64, uint64, uint64, uint64)")
def _far_scatter(
    count: Any,
    top: Any,
    high: Any,
    low: Any,
    total_high: Any,
    total_low: Any,
) -> Any:
    """Return what `scatter` does, of sums of any size."""
    negative = total_high > _MAX_SIGNED
    if negative:
        total_high, total_low = subtract(_ZERO, _ZERO, total_high, total_low)
    if total_high != _ZERO:  # beyond what is squared in 128 bits
        total = as_float(total_high, total_low)
        return max(0.0, as_float3(top, high, low) - total * total / count)
    n = np.uint64(count)
    low_carry, new_low = multiply(low, n)
    high_carry, new_high = multiply(high, n)
    more_carry, new_high = add(high_carry, new_high, _ZERO, low_carry)
    new_top = top * count + np.int64(more_carry)
    square_high, square_low = multiply(total_low, total_low)
    borrowed_high, difference_low = subtract(new_high, new_low, square_high, square_low)
    if (new_high < square_high) or (new_high == square_high and new_low < square_low):
        new_top -= 1
    return as_float3(new_top, borrowed_high, difference_low) / count


@compiled("float64(int64, int64, uint64, uint64, uint64, uint64)")
def scatter(
    count: Any,
    top: Any,
    high: Any,
    low: Any,
    total_high: Any,
    total_low: Any,
) -> Any:
    """Return squares - total^2 / count, the difference exact before it is rounded once.

    Args:
        count: Of the values.
        top: Of the sum of their squares, the signed limb.
        high: Of the same, the middle limb.
        low: Of the same, the low limb.
        total_high: Of their sum, a signed 128-bit integer.
        total_low: Of the same, the low limb.
    """
    if not (top == 0 and high < _NEAR_SQUARES and count < _NEAR_COUNT):
        return _far_scatter(count, top, high, low, total_high, total_low)
    # As nearly always. The squares are below 2^104, count times them below 2^124. The square of
    # the sum is no larger (Cauchy and Schwarz): the sum is within 2^62, its low limb is all of it,
    # and the difference has no sign.
    n, size = np.uint64(count), np.uint64(abs(np.int64(total_low)))
    carry, scaled_low = multiply(low, n)
    square_high, square_low = multiply(size, size)
    difference = subtract(high * n + carry, scaled_low, square_high, square_low)
    return as_float(difference[0], difference[1]) / count
