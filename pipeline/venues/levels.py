"""What the levels of a book must be, whoever sends them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.book_side import Level

#: Why a book with other levels is rejected.
UNSOUND = "expected prices above zero and sizes of zero or more"

# What is beyond is no amount of anything.
_LEAST, _MOST = Decimal("1e-20"), Decimal("1e20")
_MOST_ZEROS = 20


def are_sound(levels: Iterable[Level]) -> bool:
    """Whether all prices and sizes are what they can be.

    Told by comparisons alone: to take numbers apart would cost twice what it costs to read them.
    """
    try:
        return all(
            _LEAST <= price <= _MOST and (_LEAST <= size <= _MOST or _is_zero(size))
            for price, size in levels
        )
    except InvalidOperation:  # what is no number has no order
        return False


def _is_zero(number: Decimal) -> bool:
    """Whether it is a zero that can be written out."""
    return not number and abs(number.adjusted()) <= _MOST_ZEROS and not number.is_signed()
