"""The state of the exchange: what each market issued, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import DAY, MINUTE
from pipeline.exchange.faults import Faults
from pipeline.exchange.klines import OPEN, OPEN_US, SecondBars
from pipeline.exchange.ledger import Issued, Ledger
from pipeline.exchange.ring import ColumnRing
from pipeline.exchange.trades import NO_TRADES, Int64Array, Listing, Trades, TradeSource

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Aggregate trades of a symbol that REST can serve: at least the newest so many, see ColumnRing.
TRADES_HELD = 200_000

# Bars are built from trades in runs: small arrays cost numpy as much as large ones.
_RUN = 4096

_HISTORY_STEP_US = MINUTE


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask, and the sizes there."""

    update_id: int
    bid_e8: int
    bid_quantity_e8: int
    ask_e8: int
    ask_quantity_e8: int


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
        self._run: list[Trades] = []
        self._run_length = 0

    def add(self, trades: Trades) -> None:
        """Add trades, at least one, that follow those added before."""
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
        levels = self.depth(1)
        if levels is None:
            return None
        update_id, ((bid_e8, bid_quantity_e8),), ((ask_e8, ask_quantity_e8),) = levels
        return Quote(update_id, bid_e8, bid_quantity_e8, ask_e8, ask_quantity_e8)

    def depth(self, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]] | None:
        """Return an update id, bids and asks (price, size), best first; null before a trade.

        The book is made up around the last trade, which is its best ask when the aggressor bought
        and else its best bid. Sizes are a few times the recent mean trade and depend on nothing
        but the trade and the price: asked twice, the answer is the same.
        """
        recent = self.trades[-100:]
        if len(recent) == 0:
            return None
        tick_e8, lot_e8 = self.listing.tick_e8, self.listing.lot_e8
        price_e8, update_id = int(recent.price_e8[-1]), int(recent.last_id[-1])
        spread_e8 = self.listing.spread_ticks * tick_e8
        best_bid_e8 = price_e8 if recent.buyer_is_maker[-1] else price_e8 - spread_e8
        best_bid_e8 = max(best_bid_e8, tick_e8)
        lots = max(1, int(recent.quantity_e8.mean()) // lot_e8)

        def level(at_e8: int) -> tuple[int, int]:
            scatter = (at_e8 // tick_e8 * 2_654_435_761 + update_id * 40_503) % 997
            return at_e8, lots * (1 + scatter % 9) * lot_e8

        bids = [best_bid_e8 - n * tick_e8 for n in range(limit)]
        asks = [best_bid_e8 + spread_e8 + n * tick_e8 for n in range(limit)]
        return update_id, [level(at) for at in bids if at > 0], [level(at) for at in asks]

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

    Attributes:
        now_us: Up to where trades are issued, exclusive.
        markets: By symbol.
        faults: What is wrong on purpose.
        halted: Symbols that are not traded; what they would have traded never was.
    """

    def __init__(self, source: TradeSource) -> None:
        self.now_us = source.history_start_us
        self.faults = Faults()
        self.halted: set[str] = set()
        self.markets = {listing.symbol: Market(listing) for listing in source.listings}
        self._source = source

    def lay_down_history(self) -> None:
        """Issue what came before the opening: REST serves it, the ledger does not count it."""
        while self.now_us < self._source.start_us:
            self.now_us = min(self.now_us + _HISTORY_STEP_US, self._source.start_us)
            for symbol, trades in self._source.advance(self.now_us).items():
                self.markets[symbol].add(trades)

    def advance(self, until_us: int) -> Step:
        """Issue the trades before `until_us` (exclusive) and set the clock to it.

        Returns:
            What streams tell of it.
        """
        told = {}
        for symbol, trades in self._source.advance(until_us).items():
            if symbol in self.halted:
                continue
            issued = Issued.of(trades)
            self.markets[symbol].add(issued.trades)
            self.markets[symbol].ledger.add(issued)
            told[symbol] = self.faults.on_streams(symbol, issued)
        step = Step(
            self.now_us,
            until_us,
            {symbol: issued for symbol, issued in told.items() if issued is not None},
        )
        self.now_us = until_us
        return step

    def served(self, symbol: str) -> Trades:
        """Return the trades of a symbol that REST serves, oldest first."""
        return self.faults.on_rest(symbol, self.markets[symbol].trades, self.now_us)
