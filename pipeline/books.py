"""The order books of a shard: kept for each connection, told of the current one.

A connection has books of its own, since what it delivers is in order only within it. So a lost one
takes its books with it, and one that is to take over has its books ready before it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.durations import SECOND
from pipeline.followed_book import BookCounts, FollowedBook

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pipeline.orderbook import Change, OrderBook, Snapshot

#: Where a subscription brings the snapshot, it has so long to do so.
_STREAMED_WAIT_US = 10 * SECOND


@dataclass(frozen=True, slots=True)
class BookState:
    """What is told of a book.

    Attributes:
        bid: The best price; null while the book is not synced or in doubt, or its side is empty.
        ask: Likewise.
        imbalance: See `imbalance`; null like `bid`.
        updates: See `BookCounts`.
        coalesced: Likewise.
        dropped: Messages about books that were dropped unread, of all books of the shard.
        resyncs: See `BookCounts`.
    """

    bid: float | None = None
    ask: float | None = None
    imbalance: float | None = None
    updates: int = 0
    coalesced: int = 0
    dropped: int = 0
    resyncs: int = 0


def imbalance(book: OrderBook, levels: int) -> float | None:
    """Return (bid size - ask size) / (bid size + ask size) over the best levels of each side.

    Cont, Kukanov and Stoikov (2014), "The price impact of order book events", explain price changes
    by what happens to the sizes at the best prices; this is how those stand, over a few levels.

    Returns:
        From -1, only asks, to 1; null where the best `levels` are not known, or both sides are
        empty.
    """
    if not book.knows(levels):
        return None
    bid_size, ask_size = (
        sum(size for _, size in side.best(levels)) for side in (book.bids, book.asks)
    )
    total = bid_size + ask_size
    return float((bid_size - ask_size) / total) if total else None


class Books:
    """Follows the books of some symbols on each of their connections.

    Times are microseconds of a clock that only moves forward.

    Args:
        symbols: Whose.
        make: Makes an empty one.
        levels: Of each side that the imbalance is of.
        streamed: Whether a subscription brings the snapshot, instead of a request.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        make: Callable[[], OrderBook],
        levels: int,
        *,
        streamed: bool,
    ) -> None:
        self._make = make
        self._levels = levels
        self._first_wait_us = _STREAMED_WAIT_US if streamed else 0
        self._counts = {symbol: BookCounts() for symbol in symbols}
        self._lines: dict[int, dict[str, FollowedBook]] = {}
        self._gone_below = 0  # connections before this one are gone
        self._current: Mapping[str, FollowedBook] = {}

    def connect(self, lines: Collection[int], current: int | None, now_us: int) -> None:
        """Take which connections there are, and which of them counts.

        Those that are gone take their books with them; what was synced there and is not on the one
        that counts now has to be made anew.
        """
        # What they delivered last may come after they have gone.
        self._gone_below = max(
            self._gone_below, min(lines, default=max(self._lines, default=-1) + 1)
        )
        self._lines = {line: self._line(line, now_us) for line in lines}
        before = self._current
        self._current = {} if current is None else self._lines[current]
        if self._current is not before:
            for symbol, one in before.items():
                ready = symbol in self._current and self._current[symbol].book.synced
                self._counts[symbol].resyncs += one.book.synced and not ready

    def take(self, line: int, events: Sequence[Snapshot | Change], now_us: int) -> None:
        """Take what a connection delivered, in order; of other symbols it is left.

        Connections are numbered as they are opened. One that is gone is not listened to.
        """
        if line < self._gone_below:
            return
        followed = self._line(line, now_us)
        by_symbol: dict[str, list[Snapshot | Change]] = {}
        for event in events:
            by_symbol.setdefault(event.symbol, []).append(event)
        for symbol, own in by_symbol.items():
            if symbol in followed:
                followed[symbol].take(own, now_us)

    def start(self, snapshot: Snapshot, now_us: int) -> None:
        """Take a snapshot that was asked for."""
        for one in self._of([snapshot.symbol]):
            one.start(snapshot, now_us)

    def doubt(self, symbols: Iterable[str] | None, now_us: int) -> None:
        """Take it that changes of some books may have been missed; null: of all."""
        for one in self._of(self._counts if symbols is None else symbols):
            one.doubt(now_us)

    def traded(self, symbols: Iterable[str], now_us: int) -> None:
        """Take it that some markets traded."""
        for one in self._of(symbols):
            one.traded(now_us)

    def renew(self, now_us: int) -> None:
        """Give up what is silent for too long, or of which too few levels are known."""
        for one in self._of(self._counts):
            one.renew(now_us)

    def wanting(self, now_us: int) -> dict[int, list[str]]:
        """Return, by connection, the books to ask a snapshot for now, longest due first."""
        return {
            line: sorted(
                (symbol for symbol, one in followed.items() if one.wants(now_us)),
                key=lambda symbol: followed[symbol].due_us,
            )
            for line, followed in self._lines.items()
        }

    def silent(self, line: int, symbols: Iterable[str]) -> list[str]:
        """Return which of some books on a connection may not be subscribed to any more."""
        return [symbol for symbol in symbols if self._lines[line][symbol].silent]

    def asked(self, line: int, symbols: Iterable[str], now_us: int) -> None:
        """Take it that snapshots were asked for."""
        for symbol in symbols:
            self._lines[line][symbol].asked(now_us)

    def states(self, dropped: int) -> dict[str, BookState]:
        """Return what is to be told of every book.

        Args:
            dropped: Messages about books that were dropped unread.
        """
        return {
            symbol: BookState(
                *self._prices(self._current.get(symbol)),
                counts.updates,
                counts.coalesced,
                dropped,
                counts.resyncs,
            )
            for symbol, counts in self._counts.items()
        }

    def _line(self, line: int, now_us: int) -> dict[str, FollowedBook]:
        if line not in self._lines:
            due_us = now_us + self._first_wait_us
            self._lines[line] = {
                symbol: FollowedBook(
                    self._make(), self._levels, counts, now_us=now_us, due_us=due_us
                )
                for symbol, counts in self._counts.items()
            }
        return self._lines[line]

    def _of(self, symbols: Iterable[str]) -> Iterator[FollowedBook]:
        """Return the books of some symbols, those aside that are not kept, on all connections."""
        for symbol in symbols:
            if symbol in self._counts:
                yield from (followed[symbol] for followed in self._lines.values())

    def _prices(self, one: FollowedBook | None) -> tuple[float | None, float | None, float | None]:
        if one is None or not one.believed:
            return None, None, None
        bid, ask = (
            next((float(price) for price, _ in side.best(1)), None)
            for side in (one.book.bids, one.book.asks)
        )
        return bid, ask, imbalance(one.book, self._levels)
