"""The seam to a venue: what to dial, what its bytes mean, what to ask over REST.

A venue is a frozen value without input or output: a feed dials `connection`, hands what it read to
`parse`, and fetches the `Request`s. Time and sockets belong to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from pipeline.orderbook import Change, OrderBook, Snapshot
    from pipeline.venues.rows import Rejection


@dataclass(frozen=True, slots=True)
class Connection:
    """What to dial, and what to send once it is open."""

    url: str
    on_open: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a venue takes from one address.

    Attributes:
        weight: Of requests, in a minute.
        connections: Attempts to connect, in five minutes.
        messages: To the venue on one connection in a second, pongs included.
    """

    weight: int
    connections: int
    messages: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The venue's answer to what a connection is subscribed to.

    Attributes:
        request_id: Of the question.
        symbols: Of which everything that was asked for is subscribed to.
    """

    request_id: int
    symbols: frozenset[str]


@dataclass(frozen=True, slots=True)
class Request:
    """One GET: the whole url, and what it costs of the venue's request budget."""

    url: str
    weight: int


@dataclass(frozen=True, slots=True)
class Instrument:
    """A market the venue lists."""

    symbol: str
    trading: bool
    tick_size: float  # quote currency
    quote_asset: str
    code: str  # what it is called where volumes are told


@dataclass(frozen=True, slots=True)
class SymbolForm:
    """How a venue writes the names of its markets.

    Attributes:
        slash: Whether there is one between the base and the quote.
        example: Such a name.
    """

    slash: bool
    example: str

    def matches(self, symbol: str) -> bool:
        """Whether a name is written so."""
        parts = symbol.split("/")
        return len(parts) == 1 + self.slash and all(parts)


@dataclass(frozen=True, slots=True)
class Continuity:
    """What must hold between the rows of a market, beside that `trade_id` grows by one.

    Attributes:
        parts_abut: A row's `first_id` follows the `last_id` of the row before. It does for Binance
            spot; Binance's futures number their aggregates without a hole, but not what is in them;
            where a row is one trade there is nothing more to hold.
    """

    parts_abut: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """A batch of messages, each counted once.

    `data + replies + other + rejected_messages` is the number of messages handed in. A message may
    hold many trades, some of them unsound: each is one row of `trades` or of `rejected`. So where a
    message holds one trade, `data` is the height of `trades`, and `rejected_messages` that of
    `rejected`; elsewhere they are at most that.

    Attributes:
        trades: TRADES rows in arrival order.
        rejected: REJECTED rows in arrival order.
        data: Messages that gave at least one row of `trades`.
        replies: Acknowledgements of control messages.
        refusals: The texts of error replies; they are also counted in `replies`.
        other: Well-formed messages without a trade, of whatever kind.
        rejected_messages: Messages that gave rows of `rejected` only.
        closing: The venue announced that it will close this connection.
        audits: What it said the connection is subscribed to; also counted in `replies`.
    """

    trades: pl.DataFrame
    rejected: pl.DataFrame
    data: int
    replies: int
    refusals: tuple[str, ...]
    other: int
    rejected_messages: int
    closing: bool
    audits: tuple[Audit, ...] = ()


class Venue(Protocol):
    """A venue's public market data. Symbols are the venue's own upper-case names.

    A connection carries trades, and beside them order books where the venue was made with levels.
    """

    @property
    def name(self) -> str:
        """The name a configuration uses."""

    @property
    def continuity(self) -> Continuity:
        """How the rows of a market follow each other."""

    def connection(self, symbols: Sequence[str]) -> Connection:
        """Return the one connection that carries the trades of `symbols`, and their books.

        Raises:
            VenueError: There are more than a connection can carry.
        """

    @property
    def limits(self) -> Limits:
        """What it takes from one address."""

    def used_weight(self, headers: Mapping[str, str]) -> int | None:
        """Return the weight of this minute's requests by the venue's own count.

        Args:
            headers: Of any of its answers, names in lower case.

        Returns:
            Null where the venue does not say.
        """

    def audit_message(self, request_id: int) -> str | None:
        """Ask what a connection is subscribed to; null where the venue cannot be asked."""

    def subscribe_message(self, symbols: Sequence[str], request_id: int) -> str:
        """Ask for the trades of a few symbols on an open connection.

        Where it can be asked what it carries, also for their books.
        """

    def unsubscribe_message(self, symbols: Sequence[str], request_id: int) -> str:
        """Ask for no more of the same."""

    def parse(self, messages: Sequence[bytes], receive_us: Sequence[int]) -> Parsed:
        """Return the rows of a batch; never raises for what a message holds."""

    def time_request(self) -> Request:
        """Ask for the venue's clock."""

    def parse_time(self, body: bytes) -> int:
        """Return the venue's clock in microseconds, cut down to whole `clock_step_us`."""

    @property
    def clock_step_us(self) -> int:
        """How finely the venue tells its clock."""

    def instruments_request(self, symbols: Sequence[str]) -> Request:
        """Ask for the listing of `symbols`, or for all of it where none is given.

        A venue may refuse the whole for one unknown name.
        """

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Return the listed instruments."""

    def volumes_request(self) -> Request:
        """Ask for the volumes of the last day of all markets."""

    def parse_volumes(self, body: bytes) -> dict[str, float]:
        """Return the volume of each market in its quote asset, by `Instrument.code`.

        Raises:
            VenueError: The body does not say them.
        """

    def trades_request(
        self, symbol: str, *, from_id: int | None = None, start_us: int | None = None
    ) -> Request:
        """Ask for a page of trades, oldest first: from a trade on, from a time on, or the newest.

        Not every venue finds a trade by its id. So `from_id` comes with a `start_us` before which
        the trade was not matched: the page starts with the id, or else at the time. With neither it
        ends with the newest trade. A page holds at most `trades_page` rows, and one with fewer is
        the last; rows from before what was asked for may be among them.
        """

    @property
    def trades_page(self) -> int:
        """The most rows a page of trades can hold."""

    def parse_trades(self, body: bytes, symbol: str, receive_us: int) -> pl.DataFrame:
        """Return a page as TRADES, in id order.

        A trade that is not sound is left out: its id stays missing.

        Raises:
            VenueError: The body is not a page of trades.
        """

    def bars_request(self, symbol: str, *, every_us: int, start_us: int, end_us: int) -> Request:
        """Ask for the first page of bars with `start_us <= open_time < end_us`.

        A venue that takes no end also sends later ones.

        Raises:
            VenueError: The venue has no bars of that length.
        """

    @property
    def bars_page(self) -> int:
        """The most rows a page of bars can hold."""

    def parse_bars(self, body: bytes, symbol: str) -> pl.DataFrame:
        """Return a page as BARS, in time order; ids are null, `complete` is true.

        Raises:
            VenueError: The body is not a page of bars.
        """

    @property
    def book_levels(self) -> int | None:
        """The best levels of each side that are wanted; null: no books."""

    def is_book(self, message: bytes) -> bool:
        """Say by its first bytes whether a message is about books; cheap, never raises."""

    def parse_book(self, message: bytes) -> list[Snapshot | Change] | Rejection:
        """Return what a message about books says, in order, or why it cannot be read."""

    def book_messages(self, symbols: Sequence[str], request_id: int) -> tuple[str, ...]:
        """Ask anew for the books of a few symbols on an open connection."""

    def snapshot_request(self, symbol: str) -> Request | None:
        """Ask for a book; null where the subscription brings it."""

    def parse_snapshot(self, body: bytes, symbol: str) -> Snapshot:
        """Return the answer.

        Raises:
            VenueError: The body is no book, or the venue has none to ask for.
        """

    def new_book(self) -> OrderBook:
        """Return an empty book that follows the venue's rule."""
