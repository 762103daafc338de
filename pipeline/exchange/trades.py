"""Trades as the exchange holds them, and the seam to where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Listing:
    """A market on offer."""

    symbol: str
    base_asset: str
    quote_asset: str
    tick_e8: int  # smallest price step
    lot_e8: int  # smallest size step
    spread_ticks: int  # between best bid and best ask


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """A run of one symbol's aggregate trades in id order, one column a trade.

    Attributes:
        columns: Seven rows: trade_id, first_id, last_id, time_us, price_e8, quantity_e8, and 1
            where the buyer is the maker.
    """

    columns: Int64Array

    def __len__(self) -> int:
        return len(self._column(0))

    def __getitem__(self, rows: slice) -> Trades:
        return Trades(self.columns[:, rows])

    @property
    def trade_id(self) -> Int64Array:
        """The aggregate's own id."""
        return self._column(0)

    @property
    def first_id(self) -> Int64Array:
        """The id of its first fill."""
        return self._column(1)

    @property
    def last_id(self) -> Int64Array:
        """The id of its last fill, inclusive."""
        return self._column(2)

    @property
    def time_us(self) -> Int64Array:
        """When it was matched; never falls."""
        return self._column(3)

    @property
    def price_e8(self) -> Int64Array:
        """The price in 1e-8 of the quote currency."""
        return self._column(4)

    @property
    def quantity_e8(self) -> Int64Array:
        """The size in 1e-8 of the base currency."""
        return self._column(5)

    @property
    def buyer_is_maker(self) -> Int64Array:
        """1 where the aggressor sold, else 0."""
        return self._column(6)

    def _column(self, row: int) -> Int64Array:
        column: Int64Array = self.columns[row]
        return column

    def split_at(self, until_us: int) -> tuple[Trades, Trades]:
        """Return the trades before `until_us` (exclusive) and the rest."""
        count = int(np.searchsorted(self.time_us, until_us))
        return self[:count], self[count:]


NO_TRADES = Trades(np.empty((7, 0), dtype=np.int64))


def fills(trades: Trades, lot_e8: int) -> Trades:
    """Return the raw trades `first_id..last_id` of each aggregate, each an aggregate of one.

    Sizes are equal whole lots, the first fill takes the remainder. An aggregate smaller than a lot
    a fill (a lot guessed from a recording) is divided in 1e-8 units.
    """
    count = trades.last_id - trades.first_id + 1
    parent = np.repeat(np.arange(len(trades)), count)
    order = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count)
    unit = np.where(trades.quantity_e8 >= count * lot_e8, lot_e8, 1)
    each = trades.quantity_e8 // unit // count * unit
    remainder = trades.quantity_e8 - each * count
    columns = trades.columns[:, parent]
    columns[0] = columns[1] = columns[2] = trades.first_id[parent] + order
    columns[5] = each[parent] + np.where(order == 0, remainder[parent], 0)
    return Trades(columns)


class TradeSource(Protocol):
    """Where the exchange's trades come from: a simulated market, or a recording."""

    @property
    def listings(self) -> Sequence[Listing]:
        """The markets on offer; their symbols are upper-case letters and digits."""

    @property
    def history_start_us(self) -> int:
        """When the first trade can be; equal to `start_us` where there is no history."""

    @property
    def start_us(self) -> int:
        """What the exchange's clock shows when it opens."""

    @property
    def recorded(self) -> bool:
        """Whether time may stand still for a reader, as only a recording's can."""

    def advance(self, until_us: int) -> Mapping[str, Trades]:
        """Return the trades before `until_us` (exclusive) that were not returned yet, by symbol.

        `until_us` never falls from call to call. The trades are the same however the time up to
        it is cut; a symbol without any is absent.
        """
