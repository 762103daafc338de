from __future__ import annotations

import json
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.durations import DAY, MINUTE, SECOND
from pipeline.errors import VenueError
from pipeline.orderbook import Snapshot
from pipeline.venues.kraken import Kraken
from pipeline.venues.protocol import Connection, Request

KRAKEN = Kraken("kraken", "wss://stream.example", "https://api.example")


def query(request: Request) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(request.url).query).items()}


def test_connection_subscribes_to_trades_from_now_on() -> None:
    assert KRAKEN.connection(["BTC/USD", "ETH/EUR"]) == Connection(
        "wss://stream.example/v2",
        on_open=(
            (
                '{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD","ETH/EUR"],'
                '"snapshot":false},"req_id":1}'
            ),
        ),
    )


def test_connection_of_many_symbols_subscribes_to_each_once() -> None:
    symbols = [f"COIN{number:04}/USD" for number in range(250)]

    messages = [json.loads(message) for message in KRAKEN.connection(symbols).on_open]

    assert [message["req_id"] for message in messages] == [1, 2, 3]
    assert [symbol for message in messages for symbol in message["params"]["symbol"]] == symbols


@pytest.mark.parametrize(
    ("symbol", "pair"),
    [("BTC/USD", "XBTUSD"), ("ETH/BTC", "ETHXBT"), ("DOGE/EUR", "XDGEUR"), ("SOL/USD", "SOLUSD")],
)
def test_requests_name_a_market_as_rest_does(symbol: str, pair: str) -> None:
    assert query(KRAKEN.trades_request(symbol))["pair"] == pair


def test_trades_request_from_a_time_starts_a_microsecond_early_in_nanoseconds() -> None:
    request = KRAKEN.trades_request("BTC/USD", start_us=1_688_669_597_827_737)

    assert request.url.startswith("https://api.example/0/public/Trades?")
    assert query(request) == {
        "pair": "XBTUSD",
        "count": "1000",
        "since": "1688669597827736000",
    }


def test_trades_request_from_an_id_is_one_from_its_time() -> None:
    from_id = KRAKEN.trades_request("BTC/USD", from_id=5, start_us=7_000)

    assert from_id == KRAKEN.trades_request("BTC/USD", start_us=7_000)


def test_trades_request_for_the_first_trades_starts_at_zero() -> None:
    assert query(KRAKEN.trades_request("BTC/USD", start_us=0))["since"] == "0"


def test_trades_request_for_the_newest_has_no_start() -> None:
    assert query(KRAKEN.trades_request("BTC/USD")) == {"pair": "XBTUSD", "count": "1000"}


@pytest.mark.parametrize(
    ("every_us", "interval"), [(MINUTE, "1"), (60 * MINUTE, "60"), (DAY, "1440")]
)
def test_bars_request_is_in_minutes_and_seconds(every_us: int, interval: str) -> None:
    request = KRAKEN.bars_request("BTC/USD", every_us=every_us, start_us=120 * SECOND, end_us=DAY)

    assert request.url.startswith("https://api.example/0/public/OHLC?")
    assert query(request) == {"pair": "XBTUSD", "interval": interval, "since": "119"}


@pytest.mark.parametrize("every_us", [SECOND, 3 * MINUTE])
def test_bars_request_for_a_length_the_venue_has_not_is_refused(every_us: int) -> None:
    with pytest.raises(VenueError, match="kraken: expected a bar length of 1m, 5m, 15m, 30m, 1h"):
        KRAKEN.bars_request("BTC/USD", every_us=every_us, start_us=0, end_us=MINUTE)


def with_books(levels: int) -> Kraken:
    return Kraken("kraken", "wss://stream.example", "https://api.example", book_levels=levels)


def test_connection_with_books_subscribes_to_them_after_the_trades() -> None:
    trades, books = with_books(10).connection(["BTC/USD"]).on_open
    assert json.loads(trades)["params"]["channel"] == "trade"
    assert json.loads(books) == {
        "method": "subscribe",
        "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10, "snapshot": True},
        "req_id": 2,
    }


def test_books_are_asked_for_anew_by_leaving_and_subscribing() -> None:
    leave, ask = (json.loads(one) for one in with_books(10).book_messages(["BTC/USD"], 7))
    asked = {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}
    assert leave == {"method": "unsubscribe", "params": asked, "req_id": 7}
    assert ask == {"method": "subscribe", "params": {**asked, "snapshot": True}, "req_id": 8}


@pytest.mark.parametrize(
    ("levels", "depth"), [(1, 10), (10, 10), (11, 25), (25, 25), (26, 100), (50, 100)]
)
def test_depth_is_the_least_of_the_venues_that_has_the_levels(levels: int, depth: int) -> None:
    venue = with_books(levels)
    (_, message) = venue.book_messages(["BTC/USD"], 1)
    assert json.loads(message)["params"]["depth"] == depth
    book = venue.new_book()
    book.apply(Snapshot("A", [(Decimal(price), Decimal(1)) for price in range(1, 200)], []))
    assert len(book.bids) == depth
    assert (book.knows(depth), book.knows(depth + 1)) == (True, False)
