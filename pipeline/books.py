"""The order books of a shard: kept for each connection, shown of the current one.

A connection has books of its own, since what it delivers is in order only within it. So a lost one
takes its books with it, and one that is to take over has its books ready before it does.

A book is *synced* while every change since its snapshot is in it. It is proven by each change: its
number follows, or its checksum agrees. What may have been missed since the last one, because
messages were dropped, is a doubt, and a book in doubt is not shown. A market that trades changes
its book; so a book that says nothing for 5 s after a trade has lost its stream, and is made anew.
One that says nothing at all is made anew after a minute, then after two, up to an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.durations import HOUR, MINUTE, SECOND
from pipeline.orderbook import Change, Outcome, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pipeline.orderbook import OrderBook

#: Between two requests for a snapshot of one book; it doubles, and starts over after a calm.
FIRST_WAIT_US = SECOND
_LAST_WAIT_US = MINUTE

#: Where a subscription brings the snapshot, it has so long to do so.
STREAMED_WAIT_US = 10 * SECOND

#: A change has so long to follow a trade.
ANSWER_US = 5 * SECOND

#: A change and the trade that made it are read no further apart.
_NEAR_US = SECOND

_FIRST_PATIENCE_US = MINUTE
_LAST_PATIENCE_US = HOUR


@dataclass(frozen=True, slots=True)
class BookState:
    """What is told of a book.

    Attributes:
        bid: The best price; null while the book is not synced or in doubt, or its side is empty.
        ask: Likewise.
        imbalance: See `imbalance`; null like `bid`.
        updates: Snapshots and changes that the stream brought.
        coalesced: Changes among them that were applied together with the next one.
        dropped: Messages about books that were dropped unread, of all books of the shard.
        resyncs: How often a synced book had to be made anew.
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
    by what happens to the sizes at the best prices; this is the same over a few levels, as they
    stand.

    Returns:
        From -1, only asks, to 1; null where the best `levels` are not known, or both sides are
        empty.
    """
    if not (book.bids.knows(levels) and book.asks.knows(levels)):
        return None
    bid_size, ask_size = (
        sum(size for _, size in side.best(levels)) for side in (book.bids, book.asks)
    )
    total = bid_size + ask_size
    return float((bid_size - ask_size) / total) if total else None


@dataclass(slots=True)
class _Followed:
    """A book on a connection.

    Attributes:
        book: Itself.
        due_us: No snapshot is asked for before.
        heard_us: When a change came last, or a snapshot was applied.
        wait_us: Between this request for a snapshot and the next.
        awaited_us: Since when a change should have come; null: none is due.
        doubted: Whether changes may have been missed since the last one.
        patience_us: How long it may say nothing.
        silent: Whether it has to be subscribed to again: it said nothing for too long.
    """

    book: OrderBook
    due_us: int
    heard_us: int
    wait_us: int = FIRST_WAIT_US
    awaited_us: int | None = None
    doubted: bool = False
    patience_us: int = _FIRST_PATIENCE_US
    silent: bool = False

    def heard(self, now_us: int) -> None:
        """Take it that it is as the venue has it."""
        self.heard_us, self.awaited_us = now_us, None
        self.doubted = self.silent = False

    def asked(self, now_us: int) -> None:
        """Take it that a snapshot was asked for."""
        self.due_us = now_us + self.wait_us
        self.wait_us = min(2 * self.wait_us, _LAST_WAIT_US)

    def lost(self, now_us: int) -> None:
        """Take it that it needs a snapshot."""
        if now_us - self.due_us > _LAST_WAIT_US:
            self.wait_us = FIRST_WAIT_US
        self.due_us = max(self.due_us, now_us)
        self.awaited_us, self.doubted = None, False

    def is_overdue(self, now_us: int) -> bool:
        """Return whether it has been silent for too long, and have more patience then."""
        if not self.book.synced:
            return False
        if self.awaited_us is not None and now_us - self.awaited_us >= ANSWER_US:
            return True
        impatient = now_us - self.heard_us >= self.patience_us
        if impatient:
            self.patience_us = min(2 * self.patience_us, _LAST_PATIENCE_US)
        return impatient


class Books:
    """Follows the books of some symbols on each of their connections.

    Times are microseconds of any clock that only moves forward.

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
        self._symbols = symbols
        self._make = make
        self._levels = levels
        self._first_wait_us = STREAMED_WAIT_US if streamed else 0
        self._lines: dict[int, dict[str, _Followed]] = {}
        self._current: int | None = None
        self._updates, self._coalesced, self._resyncs = (dict.fromkeys(symbols, 0) for _ in "123")

    def connect(self, lines: Collection[int], current: int | None, now_us: int) -> None:
        """Take which connections there are, and which of them counts.

        Those that are gone take their books with them.
        """
        for line in lines:
            self._line(line, now_us)
        if current != self._current:
            before = self._lines.get(-1 if self._current is None else self._current, {})
            after = self._lines.get(-1 if current is None else current, {})
            for symbol, followed in before.items():
                ready = symbol in after and after[symbol].book.synced
                self._resyncs[symbol] += followed.book.synced and not ready
        self._current = current
        self._lines = {line: self._lines[line] for line in lines}

    def take(self, line: int, events: Sequence[Snapshot | Change], now_us: int) -> None:
        """Take what a connection delivered, in order; changes of one book in a row become one."""
        followed = self._line(line, now_us)
        by_symbol: dict[str, list[Snapshot | Change]] = {}
        for event in events:
            by_symbol.setdefault(event.symbol, []).append(event)
        for symbol, own in by_symbol.items():
            if symbol in followed:
                self._updates[symbol] += len(own)
                self._follow(symbol, followed[symbol], own, now_us)

    def start(self, snapshot: Snapshot, now_us: int) -> None:
        """Take a snapshot that was asked for; books that do not need it leave it."""
        for followed in self._lines.values():
            one = followed[snapshot.symbol]
            if not one.book.synced and one.book.apply(snapshot) is Outcome.APPLIED:
                one.heard(now_us)

    def doubt(self, symbols: Iterable[str] | None, now_us: int) -> None:
        """Take it that changes of some books may have been missed; null: of all."""
        for followed in self._lines.values():
            for symbol in followed if symbols is None else symbols:
                if symbol in followed:
                    followed[symbol].doubted = True
                    _await(followed[symbol], now_us)

    def traded(self, symbols: Iterable[str], now_us: int) -> None:
        """Take it that some markets traded, so that their books change."""
        for followed in self._lines.values():
            for symbol in symbols:
                one = followed.get(symbol)
                # The change may have come first.
                if one is not None and now_us - one.heard_us >= _NEAR_US:
                    _await(one, now_us)

    def renew(self, now_us: int) -> None:
        """Make anew what has been silent for too long, or of which too few levels are known."""
        for followed in self._lines.values():
            for symbol, one in followed.items():
                overdue = one.is_overdue(now_us)
                if overdue or (one.book.synced and not self._reaches(one.book)):
                    one.silent |= overdue
                    one.book.forget()
                    self._lost(symbol, one, now_us)

    def wanting(self, now_us: int) -> dict[int, list[str]]:
        """Return, by connection, the books that a snapshot is to be asked for now."""
        return {
            line: [
                symbol
                for symbol, one in followed.items()
                if not one.book.synced and now_us >= one.due_us
            ]
            for line, followed in self._lines.items()
        }

    def silent(self, line: int, symbols: Iterable[str]) -> list[str]:
        """Return which of some books on a connection may not be subscribed to any more."""
        return [symbol for symbol in symbols if self._lines[line][symbol].silent]

    def asked(self, line: int, symbols: Iterable[str], now_us: int) -> None:
        """Take it that snapshots were asked for: not again before a wait, that doubles."""
        for symbol in symbols:
            self._lines[line][symbol].asked(now_us)

    def states(self, dropped: int) -> Mapping[str, BookState]:
        """Return what is to be told of every book.

        Args:
            dropped: Messages about books that were dropped unread.
        """
        followed = self._lines.get(-1 if self._current is None else self._current, {})
        return {
            symbol: BookState(
                *self._prices(followed.get(symbol)),
                self._updates[symbol],
                self._coalesced[symbol],
                dropped,
                self._resyncs[symbol],
            )
            for symbol in self._symbols
        }

    def _line(self, line: int, now_us: int) -> dict[str, _Followed]:
        if line not in self._lines:
            due_us = now_us + self._first_wait_us
            self._lines[line] = {
                symbol: _Followed(self._make(), due_us, now_us) for symbol in self._symbols
            }
        return self._lines[line]

    def _follow(
        self, symbol: str, one: _Followed, events: Sequence[Snapshot | Change], now_us: int
    ) -> None:
        for kind, same in groupby(events, type):
            was_synced, run = one.book.synced, list(same)
            outcomes = (
                one.book.apply_all([event for event in run if isinstance(event, Change)])
                if kind is Change
                else [one.book.apply(event) for event in run]
            )
            self._coalesced[symbol] += outcomes.count(Outcome.COALESCED)
            if Outcome.APPLIED in outcomes:
                one.heard(now_us)
                one.patience_us = _FIRST_PATIENCE_US
            if was_synced and not one.book.synced:
                self._lost(symbol, one, now_us)

    def _lost(self, symbol: str, one: _Followed, now_us: int) -> None:
        self._resyncs[symbol] += 1
        one.lost(now_us)

    def _reaches(self, book: OrderBook) -> bool:
        return book.bids.knows(self._levels) and book.asks.knows(self._levels)

    def _prices(self, one: _Followed | None) -> tuple[float | None, float | None, float | None]:
        if one is None or not one.book.synced or one.doubted:
            return None, None, None
        bid, ask = (
            next((float(price) for price, _ in side.best(1)), None)
            for side in (one.book.bids, one.book.asks)
        )
        return bid, ask, imbalance(one.book, self._levels)


def _await(one: _Followed, now_us: int) -> None:
    """Expect a change from now on, if none has been expected for longer."""
    if one.awaited_us is None:
        one.awaited_us = now_us
