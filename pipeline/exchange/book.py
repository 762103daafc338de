"""The order book that the exchange makes up around its trades.

A book follows from its market and the newest trade alone, so none is kept: what it was at any time
is worked out when it is asked for. Its update id is the id of the newest fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pipeline.exchange.trades import Int64Array

if TYPE_CHECKING:
    from pipeline.exchange.trades import Listing, Trades

_Price = TypeVar("_Price", int, Int64Array)

#: Levels on each side, a tenth of them empty: a snapshot of 5000 is the whole book.
LEVELS = 500

# Behind the best price, levels are a quarter of the spread apart, or a part of the price if that is
# more: where the tick of a recording is only guessed, it may be tiny.
_LEVELS_IN_SPREAD = 4
_LEVELS_IN_PRICE = 200_000

# A level keeps its size for so many updates, each level from updates of its own.
_LASTS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Levels of one side of a book, best price first.

    Attributes:
        prices_e8: Each of them once.
        sizes_e8: There; in a change 0 where nobody is any more.
    """

    prices_e8: Int64Array
    sizes_e8: Int64Array

    def best(self, count: int) -> Side:
        """Return the first levels."""
        return Side(self.prices_e8[:count], self.sizes_e8[:count])

    def at(self, prices_e8: Int64Array) -> Side:
        """Return the sizes at rising prices, of a side of which they rise too; 0 for nobody."""
        places = np.searchsorted(self.prices_e8, prices_e8)
        places = np.minimum(places, len(self.prices_e8) - 1)
        there = self.prices_e8[places] == prices_e8
        return Side(prices_e8, np.where(there, self.sizes_e8[places], 0))


@dataclass(frozen=True, slots=True)
class Book:
    """Both sides after an update."""

    update_id: int
    bids: Side
    asks: Side


@dataclass(frozen=True, slots=True)
class Change:
    """What some updates did to a book.

    A level that changed and changed back is in it: whoever has the book from in between needs it.

    Attributes:
        first_id: Of the updates, inclusive.
        bids: The levels that any of the updates changed, as they are after the last one.
        asks: Likewise.
        after: The book then; the last update is its own.
    """

    first_id: int
    bids: Side
    asks: Side
    after: Book


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask, and the sizes there."""

    update_id: int
    bid_e8: int
    bid_quantity_e8: int
    ask_e8: int
    ask_quantity_e8: int


class BookMaker:
    """The books of one market.

    Args:
        listing: The market.
        first: Its first trade, which says how large sizes are and how far levels are apart.
    """

    def __init__(self, listing: Listing, first: Trades) -> None:
        self._tick_e8 = tick_e8 = listing.tick_e8
        self._spread_e8 = listing.spread_ticks * tick_e8
        step_e8 = max(
            self._spread_e8 // _LEVELS_IN_SPREAD, int(first.price_e8[0]) // _LEVELS_IN_PRICE
        )
        self._step_e8 = max(step_e8 // tick_e8, 1) * tick_e8
        self._size_e8 = max(int(first.quantity_e8[0]) // listing.lot_e8, 1) * listing.lot_e8

    def quote(self, trade: Trades) -> Quote:
        """Return the best prices after a trade, of one row.

        The trade is the best ask when the aggressor bought, and else the best bid.
        """
        update_id, bid_e8 = int(trade.last_id[0]), int(self._best_bids(trade)[0])
        size_e8 = (1 + update_id % 9) * self._size_e8
        return Quote(update_id, bid_e8, size_e8, bid_e8 + self._spread_e8, size_e8)

    def book(self, trade: Trades) -> Book:
        """Return the book after a trade, of one row."""
        quote = self.quote(trade)
        numbers = np.arange(LEVELS - 1)
        below = self._last_below(quote.bid_e8) - numbers
        above = self._first_above(quote.ask_e8) + numbers
        return Book(
            quote.update_id,
            self._side(quote.bid_e8, quote.bid_quantity_e8, below[below > 0], quote.update_id),
            self._side(quote.ask_e8, quote.ask_quantity_e8, above, quote.update_id),
        )

    def change(self, run: Trades, *, from_nobody: bool = False) -> Change:
        """Return what all trades but the first did to the book that the first one made.

        Args:
            run: At least two; one is enough from nobody.
            from_nobody: Whether nobody was there before, so that the first one is of them.
        """
        after = self.book(run[-1:])
        bids_e8 = self._best_bids(run)
        asks_e8 = bids_e8 + self._spread_e8
        old_id, new_id = int(run.last_id[0]), after.update_id
        first_id = int(run.first_id[0]) if from_nobody else old_id + 1
        below, above = self._last_below(bids_e8) - LEVELS + 2, self._first_above(asks_e8)
        touched = [
            np.union1d(bids_e8, self._touched(below, old_id, new_id)),
            np.union1d(asks_e8, self._touched(above, old_id, new_id)),
        ]
        if from_nobody:
            sides = (after.bids, after.asks)
            touched = [
                np.union1d(prices, side.prices_e8)
                for prices, side in zip(touched, sides, strict=True)
            ]
        bids = Side(after.bids.prices_e8[::-1], after.bids.sizes_e8[::-1]).at(touched[0])
        return Change(
            first_id,
            Side(bids.prices_e8[::-1], bids.sizes_e8[::-1]),
            after.asks.at(touched[1]),
            after,
        )

    def _best_bids(self, trades: Trades) -> Int64Array:
        bids_e8 = trades.price_e8 - (1 - trades.buyer_is_maker) * self._spread_e8
        return np.asarray(np.maximum(bids_e8, self._tick_e8))

    # Levels behind the best price are numbered by the multiples of a step that their prices are.

    def _last_below(self, bid_e8: _Price) -> _Price:
        return (bid_e8 - 1) // self._step_e8

    def _first_above(self, ask_e8: _Price) -> _Price:
        return ask_e8 // self._step_e8 + 1

    def _side(self, best_e8: int, size_e8: int, behind: Int64Array, update_id: int) -> Side:
        lots = _lots(behind, _turn(behind, update_id))
        taken = lots > 0
        return Side(
            np.concatenate([[best_e8], behind[taken] * self._step_e8]),
            np.concatenate([[size_e8], lots[taken] * self._size_e8]),
        )

    def _touched(self, lowest: Int64Array, old_id: int, new_id: int) -> Int64Array:
        """Return the prices behind the best ones where some update between two changed the size.

        Args:
            lowest: The lowest level that is looked at, after each trade; it moves with the price.
            old_id: The update before.
            new_id: The last one.
        """
        low, high = int(lowest.min()), int(lowest.max())
        numbers = np.arange(max(low, 1), high + LEVELS - 1)
        old_turn, new_turn = _turn(numbers, old_id), _turn(numbers, new_id)
        old, new = _lots(numbers, old_turn), _lots(numbers, new_turn)
        moved = (numbers < high) | (numbers > low + LEVELS - 2)
        touched = (old != new) | (new_turn > old_turn + 1) | (moved & (old > 0))
        return np.asarray(numbers[touched] * self._step_e8)


def _turn(levels: Int64Array, update_id: int) -> Int64Array:
    """Return how often each level was resized up to an update."""
    return (update_id + levels * 7919 % _LASTS) // _LASTS


def _lots(levels: Int64Array, turn: Int64Array) -> Int64Array:
    """Return how large each level is in a turn of its own: 0 to 9."""
    mixed = levels * 2_654_435_761 + turn * 40_503
    return ((mixed ^ mixed >> 16) * 2_246_822_519 >> 20 & 0xFFFF) % 10
