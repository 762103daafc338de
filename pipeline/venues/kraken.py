"""Kraken spot: the `trade` and `book` channels of WebSocket v2, and the public REST market data.

What bytes mean is in `kraken_stream` and `kraken_rest`; here is how they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from pipeline.durations import DAY, HOUR, MINUTE, SECOND, format_duration
from pipeline.errors import VenueError
from pipeline.orderbook import ChecksumBook
from pipeline.venues import kraken_book, kraken_rest
from pipeline.venues.kraken_stream import parse_stream
from pipeline.venues.protocol import Connection, Continuity, Limits, Request, SymbolForm
from pipeline.venues.rows import Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from pipeline.orderbook import Change, Snapshot
    from pipeline.venues.protocol import Instrument, Parsed

SYMBOLS = SymbolForm(slash=True, example="BTC/USD")

_SYMBOLS_PER_SUBSCRIBE = 100
_TRADES_PAGE = 1000
_BARS_PAGE = 720

#: Levels of each side that a book can be subscribed to with, as far as they are of use here.
_BOOK_DEPTHS = (10, 25, 100)

#: The bars the venue has, shortest first; longer ones do not start on multiples of their length.
INTERVALS_US = {
    format_duration(length_us): length_us
    for length_us in (
        *(minutes * MINUTE for minutes in (1, 5, 15, 30)),
        *(hours * HOUR for hours in (1, 4)),
        DAY,
    )
}


@dataclass(frozen=True, slots=True)
class Kraken:
    """The venue, at one pair of addresses.

    Attributes:
        name: The name a configuration uses.
        websocket_url: Scheme, host and port, without a path.
        rest_url: Likewise.
        book_levels: The best levels of each side that are wanted; null: no books.
    """

    name: str
    websocket_url: str
    rest_url: str
    book_levels: int | None = None

    @property
    def continuity(self) -> Continuity:
        """How the rows of a market follow each other: a row is one trade."""
        return Continuity(parts_abut=False)

    def connection(self, symbols: Sequence[str]) -> Connection:
        """Return the one connection that carries the trades of `symbols`, and their books.

        Each is acknowledged by itself. The last trades before the subscription are not asked for:
        what is missing is told by the ids, and fetched.
        """
        starts = range(0, len(symbols), _SYMBOLS_PER_SUBSCRIBE)
        chunks = [symbols[start : start + _SYMBOLS_PER_SUBSCRIBE] for start in starts]
        messages = [self.subscribe_message(chunk, at) for at, chunk in enumerate(chunks, 1)]
        if self.book_levels is not None:
            messages += [
                self._book_message("subscribe", chunk, at, snapshot=True)
                for at, chunk in enumerate(chunks, len(chunks) + 1)
            ]
        return Connection(f"{self.websocket_url}/v2", on_open=tuple(messages))

    @property
    def limits(self) -> Limits:
        """What it takes from one address: a public request a second, by its documentation."""
        return Limits(weight=60, connections=75, messages=5)

    def used_weight(self, headers: Mapping[str, str]) -> None:  # noqa: ARG002 - of the protocol
        """Return null: the venue does not say."""
        return

    def audit_message(self, request_id: int) -> None:  # noqa: ARG002 - as above
        """Return null: the venue cannot be asked what a connection is subscribed to."""
        return

    def subscribe_message(self, symbols: Sequence[str], request_id: int) -> str:
        """Ask for the trades of a few symbols on an open connection."""
        return _control("subscribe", "trade", symbols, request_id, snapshot=False)

    def unsubscribe_message(self, symbols: Sequence[str], request_id: int) -> str:
        """Ask for no more trades of a few symbols."""
        return _control("unsubscribe", "trade", symbols, request_id)

    def parse(self, messages: Sequence[bytes], receive_us: Sequence[int]) -> Parsed:
        """Return the rows of a batch; never raises for what a message holds."""
        return parse_stream(messages, receive_us)

    @property
    def clock_step_us(self) -> int:
        """How finely the venue tells its clock."""
        return SECOND

    def time_request(self) -> Request:
        """Ask for the venue's clock."""
        return self._request("Time", {})

    def parse_time(self, body: bytes) -> int:
        """Return the venue's clock in microseconds, cut down to whole seconds.

        Raises:
            VenueError: The body does not say it.
        """
        return kraken_rest.parse_time(body)

    def instruments_request(self, symbols: Sequence[str]) -> Request:  # noqa: ARG002 - of the protocol
        """Ask for the whole listing: one unknown name would make the venue refuse the request."""
        return self._request("AssetPairs", {})

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Return the listed instruments.

        Raises:
            VenueError: The body is not a listing.
        """
        return kraken_rest.parse_instruments(body)

    def volumes_request(self) -> Request:
        """Ask for the volumes of the last day of all markets."""
        return self._request("Ticker", {})

    def parse_volumes(self, body: bytes) -> dict[str, float]:
        """Return the volume of each market in its quote asset, by `Instrument.code`.

        Raises:
            VenueError: The body does not say them.
        """
        return kraken_rest.parse_volumes(body)

    def trades_request(
        self,
        symbol: str,
        *,
        from_id: int | None = None,  # noqa: ARG002 - the venue finds trades by their time only
        start_us: int | None = None,
    ) -> Request:
        """Ask for a page of trades, oldest first, from a time on, or for one with the newest.

        The page starts a microsecond early: trades are told to the microsecond and found by the
        nanosecond, and the venue does not say whether its bound is inclusive.
        """
        query: dict[str, str | int] = {"pair": kraken_rest.rest_name(symbol), "count": _TRADES_PAGE}
        if start_us is not None:
            query["since"] = max(0, start_us - 1) * 1_000
        return self._request("Trades", query)

    @property
    def trades_page(self) -> int:
        """The most rows a page of trades can hold."""
        return _TRADES_PAGE

    def parse_trades(self, body: bytes, symbol: str, receive_us: int) -> pl.DataFrame:
        """Return a page as TRADES, in id order.

        Raises:
            VenueError: The body is not a page of trades.
        """
        return kraken_rest.parse_trades(body, symbol, receive_us)

    def bars_request(self, symbol: str, *, every_us: int, start_us: int, end_us: int) -> Request:  # noqa: ARG002 - the venue takes no end
        """Ask for bars with `start_us <= open_time`; the venue keeps the newest 720 of a length.

        Raises:
            VenueError: The venue has no bars of that length.
        """
        interval = format_duration(every_us)
        if interval not in INTERVALS_US:
            raise VenueError(
                f"{self.name}: expected a bar length of {', '.join(INTERVALS_US)}, found {interval}"
            )
        query: dict[str, str | int] = {
            "pair": kraken_rest.rest_name(symbol),
            "interval": every_us // MINUTE,
            # One second early, as the venue does not say whether its bound is inclusive.
            "since": max(0, -(-start_us // SECOND) - 1),
        }
        return self._request("OHLC", query)

    @property
    def bars_page(self) -> int:
        """The most rows a page of bars can hold."""
        return _BARS_PAGE

    def parse_bars(self, body: bytes, symbol: str) -> pl.DataFrame:
        """Return a page as BARS, in time order; ids are null, `complete` is true.

        Raises:
            VenueError: The body is not a page of bars.
        """
        return kraken_rest.parse_bars(body, symbol)

    def is_book(self, message: bytes) -> bool:
        """Say by its first bytes whether a message is about books."""
        return kraken_book.is_book(message)

    def parse_book(self, message: bytes) -> list[Snapshot | Change] | Rejection:
        """Return what a message about books says, or why it cannot be read."""
        found = kraken_book.parse_book(message)
        return Rejection(None, "book: expected the channel") if found is None else found

    def book_messages(self, symbols: Sequence[str], request_id: int) -> tuple[str, ...]:
        """Ask anew for the books of a few symbols: a subscription starts with a snapshot."""
        return (
            self._book_message("unsubscribe", symbols, request_id),
            self._book_message("subscribe", symbols, request_id + 1, snapshot=True),
        )

    def snapshot_request(self, symbol: str) -> None:  # noqa: ARG002 - of the protocol
        """Return null: the subscription brings it."""
        return

    def parse_snapshot(self, body: bytes, symbol: str) -> Snapshot:  # noqa: ARG002 - as above
        """Raise: there is none to ask for.

        Raises:
            VenueError: Always.
        """
        raise VenueError(f"{self.name}: expected the snapshot of {symbol} in the stream")

    def new_book(self) -> ChecksumBook:
        """Return an empty book that follows the venue's rule."""
        return ChecksumBook(self._depth, kraken_book.checksum)

    @property
    def _depth(self) -> int:
        wanted = 1 if self.book_levels is None else self.book_levels
        return next(depth for depth in _BOOK_DEPTHS if depth >= wanted)

    def _book_message(
        self, method: str, symbols: Sequence[str], request_id: int, **parameters: object
    ) -> str:
        return _control(method, "book", symbols, request_id, depth=self._depth, **parameters)

    def _request(self, endpoint: str, query: dict[str, str | int]) -> Request:
        url = f"{self.rest_url}/0/public/{endpoint}"
        return Request(f"{url}?{urlencode(query)}" if query else url, weight=1)


def _control(
    method: str, channel: str, symbols: Sequence[str], request_id: int, **parameters: object
) -> str:
    message = {
        "method": method,
        "params": {"channel": channel, "symbol": symbols, **parameters},
        "req_id": request_id,
    }
    return msgspec.json.encode(message).decode()
