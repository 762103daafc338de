"""The state of the exchange: what each market issued, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import DAY, MINUTE
from pipeline.exchange.book import Book, BookMaker, Change, Quote
from pipeline.exchange.faults import Faults
from pipeline.exchange.klines import OPEN, OPEN_US, SecondBars
from pipeline.exchange.ledger import Issued, Ledger
from pipeline.exchange.ring import ColumnRing
from pipeline.exchange.trades import NO_TRADES, Int64Array, Listing, Trades, TradeSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.exchange.dumps import Dumps

#: Aggregate trades of a symbol that REST can serve: at least the newest so many, see ColumnRing.
TRADES_HELD = 200_000

# Bars are built from trades in runs: small arrays cost numpy as much as large ones.
_RUN = 4096

_HISTORY_STEP_US = MINUTE


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours of a market that traded in them."""

    bar: Int64Array  # one column of a table of bars
    previous_close_e8: int
    last: Trades  # the newest trade
    quote: Quote


class Market:
    """What one symbol issued."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.ledger = Ledger()
        self._tape = ColumnRing(NO_TRADES.columns.shape[0], TRADES_HELD)
        self._bars = SecondBars(listing)
        self._books: BookMaker | None = None
        self._run: list[Trades] = []
        self._run_length = 0
        # By which the ids of the source are too high; a column of Trades.
        self._left_out: Int64Array = np.zeros((NO_TRADES.columns.shape[0], 1), dtype=np.int64)

    def leave_out(self, trades: Trades) -> None:
        """Make as if the source had never had these trades."""
        self._left_out[0] += len(trades)
        self._left_out[1:3] += (trades.last_id - trades.first_id + 1).sum()

    def numbered(self, trades: Trades) -> Trades:
        """Return trades of the source with ids that follow, whatever was left out before them."""
        return Trades(trades.columns - self._left_out)

    def add(self, trades: Trades) -> None:
        """Add trades, at least one, that follow those added before."""
        if self._books is None:
            self._books = BookMaker(self.listing, trades[:1])
        self._tape.append(trades.columns)
        self._run.append(trades)
        self._run_length += len(trades)
        if self._run_length >= _RUN:
            self._finish_run()

    def _finish_run(self) -> None:
        if self._run:
            self._bars.add(Trades(np.concatenate([run.columns for run in self._run], axis=1)))
            self._run.clear()
            self._run_length = 0

    @property
    def trades(self) -> Trades:
        """The trades held, oldest first; valid until the next one is added."""
        return Trades(self._tape.view)

    @property
    def bars(self) -> SecondBars:
        """The bars of all trades so far."""
        self._finish_run()
        return self._bars

    def quote(self) -> Quote | None:
        """Return the best prices around the last trade; null before the first."""
        newest = self.trades[-1:]
        return None if self._books is None else self._books.quote(newest)

    def book(self) -> Book | None:
        """Return the book now; null before the first trade."""
        return None if self._books is None else self._books.book(self.trades[-1:])

    def changes(self, times_us: Int64Array) -> Iterator[tuple[int, Change]]:
        """Return what each of some rising times found changed since the one before it.

        Yields:
            The time, and what the trades before it did to the book; for times that found any.
        """
        if self._books is None:
            return
        held = self.trades
        ends = np.searchsorted(held.time_us, times_us)
        for at in (np.flatnonzero(np.diff(ends)) + 1).tolist():
            start, end = int(ends[at - 1]), int(ends[at])
            run = held[max(start - 1, 0) : end]
            yield int(times_us[at]), self._books.change(run, from_nobody=start == 0)

    def day(self, now_us: int) -> Day | None:
        """Return the last 24 hours; null without a trade in them."""
        quote = self.quote()
        bar = self.bars.total(now_us - DAY)
        if quote is None or bar.shape[1] == 0:
            return None
        opened_us = int(bar[OPEN_US, 0])
        previous = self.bars.close_before(opened_us)
        return Day(
            bar[:, 0],
            previous if previous is not None else int(bar[OPEN, 0]),
            self.trades[-1:],
            quote,
        )

    def last_price_e8(self) -> int | None:
        """Return the price of the last trade; null before the first."""
        held = self.trades
        return int(held.price_e8[-1]) if len(held) else None


@dataclass(frozen=True, slots=True)
class Step:
    """What the exchange issued while its clock went from one time (inclusive) to another."""

    from_us: int
    until_us: int
    issued: Mapping[str, Issued]


class Exchange:
    """All markets on one clock: nothing is known here that was not issued by `now_us`.

    Args:
        source: Where the trades come from.
        dumps: Where what is issued is also kept by day; null for nowhere.

    Attributes:
        now_us: Up to where trades are issued, exclusive.
        markets: By symbol, also those that are not listed any more.
        faults: What is wrong on purpose.
        halted: Symbols that are not traded; what they would have traded never was.
        delisted: Likewise, and REST does not know them.
    """

    def __init__(self, source: TradeSource, dumps: Dumps | None = None) -> None:
        self.now_us = source.history_start_us
        self.faults = Faults()
        self.halted: set[str] = set()
        self.delisted: set[str] = set()
        self._dumps = dumps
        self.markets = {listing.symbol: Market(listing) for listing in source.listings}
        self._source = source

    def lay_down_history(self) -> None:
        """Issue what came before the opening: REST serves it, the ledger does not count it."""
        while self.now_us < self._source.start_us:
            self.now_us = min(self.now_us + _HISTORY_STEP_US, self._source.start_us)
            for symbol, trades in self._source.advance(self.now_us).items():
                self.markets[symbol].add(trades)
                self._dump(symbol, trades)
            self._end_days()

    def advance(self, until_us: int) -> Step:
        """Issue the trades before `until_us` (exclusive) and set the clock to it.

        Returns:
            What streams tell of it.
        """
        told = {}
        for symbol, trades in self._source.advance(until_us).items():
            market = self.markets[symbol]
            if symbol in self.halted or symbol in self.delisted:
                market.leave_out(trades)
                continue
            issued = Issued.of(market.numbered(trades))
            market.add(issued.trades)
            market.ledger.add(issued)
            told[symbol] = self.faults.on_streams(symbol, issued)
            self._dump(symbol, self.faults.kept(symbol, issued.trades))
        step = Step(
            self.now_us,
            until_us,
            {symbol: issued for symbol, issued in told.items() if issued is not None},
        )
        self.now_us = until_us
        self._end_days()
        return step

    def _dump(self, symbol: str, trades: Trades) -> None:
        if self._dumps is not None:
            self._dumps.add(symbol, trades)

    def _end_days(self) -> None:
        if self._dumps is not None:
            self._dumps.end_days(self.now_us)

    @property
    def listed(self) -> Mapping[str, Market]:
        """The markets that REST knows, by symbol."""
        return {name: one for name, one in self.markets.items() if name not in self.delisted}

    def served(self, symbol: str) -> Trades:
        """Return the trades of a symbol that REST serves, oldest first."""
        return self.faults.on_rest(symbol, self.markets[symbol].trades, self.now_us)
