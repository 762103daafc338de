"""One side of an order book: prices and sizes as decimals, with the digits as sent."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Price and size; a size of zero removes the price.
Level = tuple[Decimal, Decimal]


class Side:
    """One side of a book, best price first.

    Args:
        highest_first: Whether the best price is the highest, as of bids.
    """

    def __init__(self, *, highest_first: bool) -> None:
        self._highest_first = highest_first
        self._keys: list[Decimal] = []  # prices, negated where the best is the highest
        self._levels: dict[Decimal, Level] = {}
        self._reach: Decimal | None = None  # no key behind it is known; null: all there are

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, levels: Sequence[Level]) -> None:
        """Change levels in turn; to remove one that is not there is normal."""
        for price, size in levels:
            key = price.copy_negate() if self._highest_first else price
            if size > 0:
                if self._reach is not None and key > self._reach:
                    continue
                if key not in self._levels:
                    self._keys.insert(bisect_left(self._keys, key), key)
                self._levels[key] = price, size
            elif self._levels.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def truncate(self, depth: int) -> None:
        """Forget the levels behind the best `depth`."""
        for key in self._keys[depth:]:
            del self._levels[key]
        del self._keys[depth:]

    def bound(self, depth: int) -> None:
        """Keep the best `depth` levels, and know nothing of what is behind them from here on."""
        if len(self._keys) >= depth:
            self._reach = self._keys[depth - 1]
            self.truncate(depth)

    def knows(self, count: int) -> bool:
        """Whether the best `count` levels, or all there are, are known."""
        return self._reach is None or len(self._keys) >= count

    def best(self, count: int) -> list[Level]:
        """Return the best levels, at most `count`."""
        return [self._levels[key] for key in self._keys[:count]]

    def clear(self) -> None:
        """Forget all levels."""
        self._keys.clear()
        self._levels.clear()
        self._reach = None
