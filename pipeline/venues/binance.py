"""Binance spot: combined `aggTrade` and `depth` streams, and the public REST market data.

The same protocol is spoken by Binance.US and by the built-in exchange. What bytes mean is in
`binance_stream` and `binance_rest`; here is how they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from pipeline.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND, format_duration
from pipeline.errors import VenueError
from pipeline.orderbook import NumberedBook
from pipeline.venues import binance_book, binance_rest
from pipeline.venues.binance_stream import book_stream, parse_stream, trade_stream
from pipeline.venues.protocol import Connection, Continuity, Limits, Request, SymbolForm
from pipeline.venues.rows import Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from pipeline.orderbook import Change, Snapshot
    from pipeline.venues.protocol import Instrument, Parsed

SYMBOLS = SymbolForm(slash=False, example="BTCUSDT")

#: The venue closes a connection that asks for more.
MAX_STREAMS = 1024

# A request line of 8 kB is what servers and proxies take by default.
_MAX_URL_LENGTH = 8_000
_STREAMS_PER_SUBSCRIBE = 200

_PAGE = 1000

#: Levels of each side in a snapshot. With 1,000 it would cost twice as much.
_SNAPSHOT_LEVELS, _SNAPSHOT_WEIGHT = 100, 5

#: Changes that wait for a snapshot: a minute and a half of them, one by one.
_KEPT_CHANGES = 1_000

#: The bars the venue has, shortest first; longer ones do not start on multiples of their length.
INTERVALS_US = {
    format_duration(length_us): length_us
    for length_us in (
        SECOND,
        *(minutes * MINUTE for minutes in (1, 3, 5, 15, 30)),
        *(hours * HOUR for hours in (1, 2, 4, 6, 8, 12)),
        DAY,
    )
}


@dataclass(frozen=True, slots=True)
class Binance:
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
        """How the rows of a market follow each other."""
        return Continuity(parts_abut=True)

    def connection(self, symbols: Sequence[str]) -> Connection:
        """Return the one connection that carries the trades of `symbols`, and their books.

        Streams are named in the url, which needs no acknowledgement, or subscribed to on open where
        the url would be too long.

        Raises:
            VenueError: There are more symbols than one connection can carry.
        """
        streams = self._streams(symbols)
        if len(streams) > MAX_STREAMS:
            each = len(streams) // len(symbols)
            raise VenueError(
                f"{self.name}: expected at most {MAX_STREAMS // each} symbols a connection, "
                f"found {len(symbols)}"
            )
        url = f"{self.websocket_url}/stream?streams={quote('/'.join(streams), safe='/@')}"
        if len(url) <= _MAX_URL_LENGTH:
            return Connection(url)
        chunks = [
            streams[start : start + _STREAMS_PER_SUBSCRIBE]
            for start in range(0, len(streams), _STREAMS_PER_SUBSCRIBE)
        ]
        return Connection(
            f"{self.websocket_url}/stream",
            on_open=tuple(
                _control(number, "SUBSCRIBE", chunk) for number, chunk in enumerate(chunks, 1)
            ),
        )

    @property
    def limits(self) -> Limits:
        """What it takes from one address."""
        return Limits(weight=6_000, connections=300, messages=5)

    def used_weight(self, headers: Mapping[str, str]) -> int | None:
        """Return the weight of this minute's requests by the venue's own count; null: not said."""
        said = headers.get("x-mbx-used-weight-1m", "")
        return int(said) if said.isdecimal() else None

    def audit_message(self, request_id: int) -> str:
        """Ask what a connection is subscribed to."""
        return _control(request_id, "LIST_SUBSCRIPTIONS")

    def subscribe_message(self, symbols: Sequence[str], request_id: int) -> str:
        """Ask for the trades of a few symbols on an open connection, and for their books."""
        return _control(request_id, "SUBSCRIBE", self._streams(symbols))

    def unsubscribe_message(self, symbols: Sequence[str], request_id: int) -> str:
        """Ask for no more of the same."""
        return _control(request_id, "UNSUBSCRIBE", self._streams(symbols))

    def parse(self, messages: Sequence[bytes], receive_us: Sequence[int]) -> Parsed:
        """Return the rows of a batch; never raises for what a message holds."""
        return parse_stream(messages, receive_us, books=self.book_levels is not None)

    @property
    def clock_step_us(self) -> int:
        """How finely the venue tells its clock."""
        return MILLISECOND

    def time_request(self) -> Request:
        """Ask for the venue's clock."""
        return Request(f"{self.rest_url}/api/v3/time", weight=1)

    def parse_time(self, body: bytes) -> int:
        """Return the venue's clock in microseconds.

        Raises:
            VenueError: The body does not say it.
        """
        return binance_rest.parse_time(body)

    def instruments_request(self, symbols: Sequence[str]) -> Request:
        """Ask for the listing of `symbols`, or for all of it: without any, or with too many.

        One unknown name makes the venue refuse the request.
        """
        url = f"{self.rest_url}/api/v3/exchangeInfo"
        asked = f"{url}?{urlencode({'symbols': msgspec.json.encode(symbols)})}"
        some = len(symbols) > 0 and len(asked) <= _MAX_URL_LENGTH
        return Request(asked if some else url, weight=20)

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Return the listed instruments.

        Raises:
            VenueError: The body is not a listing, or an instrument has no tick size.
        """
        return binance_rest.parse_instruments(body)

    def volumes_request(self) -> Request:
        """Ask for the volumes of the last day of all markets."""
        return Request(f"{self.rest_url}/api/v3/ticker/24hr", weight=80)

    def parse_volumes(self, body: bytes) -> dict[str, float]:
        """Return the volume of each market in its quote asset, by `Instrument.code`.

        Raises:
            VenueError: The body does not say them.
        """
        return binance_rest.parse_volumes(body)

    def trades_request(
        self, symbol: str, *, from_id: int | None = None, start_us: int | None = None
    ) -> Request:
        """Ask for a page of trades, oldest first: from an id, from a time, or only the newest.

        Both bounds are inclusive, and the id goes first; with neither, one trade is asked for.
        """
        query: dict[str, str | int] = {"symbol": symbol, "limit": _PAGE}
        if from_id is not None:
            query["fromId"] = from_id
        elif start_us is not None:
            query["startTime"] = _first_ms(start_us)
        else:
            query["limit"] = 1
        return Request(f"{self.rest_url}/api/v3/aggTrades?{urlencode(query)}", weight=4)

    @property
    def trades_page(self) -> int:
        """The most rows a page of trades can hold."""
        return _PAGE

    def parse_trades(self, body: bytes, symbol: str, receive_us: int) -> pl.DataFrame:
        """Return a page as TRADES, in id order.

        Raises:
            VenueError: The body is not a page of trades.
        """
        return binance_rest.parse_trades(body, symbol, receive_us)

    def bars_request(self, symbol: str, *, every_us: int, start_us: int, end_us: int) -> Request:
        """Ask for the first page of bars with `start_us <= open_time < end_us`.

        The venue also returns the bar that is still open: ask up to a time that has passed.

        Raises:
            VenueError: The venue has no bars of that length.
        """
        interval = format_duration(every_us)
        if interval not in INTERVALS_US:
            raise VenueError(
                f"{self.name}: expected a bar length of {', '.join(INTERVALS_US)}, found {interval}"
            )
        query = {
            "symbol": symbol,
            "interval": interval,
            "startTime": _first_ms(start_us),
            "endTime": _first_ms(end_us) - 1,
            "limit": _PAGE,
        }
        return Request(f"{self.rest_url}/api/v3/klines?{urlencode(query)}", weight=2)

    @property
    def bars_page(self) -> int:
        """The most rows a page of bars can hold."""
        return _PAGE

    def parse_bars(self, body: bytes, symbol: str) -> pl.DataFrame:
        """Return a page as BARS, in time order; ids are null, `complete` is true.

        Raises:
            VenueError: The body is not a page of bars.
        """
        return binance_rest.parse_bars(body, symbol)

    def is_book(self, message: bytes) -> bool:
        """Say by its first bytes whether a message is about books."""
        return binance_book.is_change(message)

    def parse_book(self, message: bytes) -> list[Snapshot | Change] | Rejection:
        """Return the change of a message, or why it cannot be read."""
        change = binance_book.parse_change(message)
        if change is None:
            return Rejection(None, "depthUpdate: expected one")
        return change if isinstance(change, Rejection) else [change]

    def book_messages(self, symbols: Sequence[str], request_id: int) -> tuple[str, ...]:
        """Ask for the books of a few symbols; to ask for what is subscribed to changes nothing."""
        return (_control(request_id, "SUBSCRIBE", [book_stream(symbol) for symbol in symbols]),)

    def snapshot_request(self, symbol: str) -> Request:
        """Ask for a book."""
        query = urlencode({"symbol": symbol, "limit": _SNAPSHOT_LEVELS})
        return Request(f"{self.rest_url}/api/v3/depth?{query}", weight=_SNAPSHOT_WEIGHT)

    def parse_snapshot(self, body: bytes, symbol: str) -> Snapshot:
        """Return the answer.

        Raises:
            VenueError: The body is no book.
        """
        return binance_book.parse_depth(body, symbol)

    def new_book(self) -> NumberedBook:
        """Return an empty book that follows the venue's rule."""
        return NumberedBook(_KEPT_CHANGES, _SNAPSHOT_LEVELS)

    def _streams(self, symbols: Sequence[str]) -> list[str]:
        streams = [trade_stream(symbol) for symbol in symbols]
        if self.book_levels is not None:
            streams += [book_stream(symbol) for symbol in symbols]
        return streams


def _control(request_id: int, method: str, streams: Sequence[str] | None = None) -> str:
    params = {} if streams is None else {"params": streams}
    return msgspec.json.encode({"method": method, **params, "id": request_id}).decode()


def _first_ms(time_us: int) -> int:
    """Return the first whole millisecond at or after a time."""
    return -(-time_us // 1_000)
