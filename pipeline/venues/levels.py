"""What the levels of a book must be, whoever sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from pipeline.book_side import Level

#: Why a book with other levels is rejected.
UNSOUND = "expected prices above zero and sizes of zero or more"

# Powers of ten; what is beyond is no amount of anything.
_SMALLEST, _LARGEST = -20, 20


def are_sound(levels: Iterable[Level]) -> bool:
    """Whether all prices and sizes are what they can be."""
    return all(_is_amount(price) and price > 0 and _is_amount(size) for price, size in levels)


def _is_amount(number: Decimal) -> bool:
    """Whether it is a number of zero or more that can be written out."""
    exponent = number.as_tuple().exponent
    return (
        isinstance(exponent, int)  # else it is infinite, or no number
        and exponent >= _SMALLEST
        and number.adjusted() <= _LARGEST
        and not number.is_signed()
    )
