from __future__ import annotations

import json
from decimal import Decimal
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from pipeline.durations import parse_duration
from pipeline.errors import VenueError
from pipeline.orderbook import Change, Outcome, Snapshot
from pipeline.venues.binance import Binance
from pipeline.venues.protocol import Connection, Request

BINANCE = Binance("binance", "wss://stream.example", "https://api.example")


def query(request: Request) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(request.url).query).items()}


def test_connection_of_a_few_symbols_names_their_streams_in_the_url() -> None:
    assert BINANCE.connection(["BTCUSDT", "ETHUSDT"]) == Connection(
        "wss://stream.example/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade", on_open=()
    )


def test_connection_with_a_symbol_beyond_ascii_quotes_it() -> None:
    url = BINANCE.connection(["这是测试币456"]).url

    assert url.isascii()
    assert unquote(url).endswith("streams=这是测试币456@aggTrade")


def test_connection_of_many_symbols_subscribes_to_each_once_on_open() -> None:
    symbols = [f"COIN{number:04}USDT" for number in range(1024)]

    connection = BINANCE.connection(symbols)

    messages = [json.loads(message) for message in connection.on_open]
    assert connection.url == "wss://stream.example/stream"
    assert [message["method"] for message in messages] == ["SUBSCRIBE"] * 6
    assert [message["id"] for message in messages] == [1, 2, 3, 4, 5, 6]
    assert [len(message["params"]) for message in messages] == [200, 200, 200, 200, 200, 24]
    assert [stream for message in messages for stream in message["params"]] == [
        f"coin{number:04}usdt@aggTrade" for number in range(1024)
    ]


def test_connection_of_any_length_keeps_its_url_within_8000_characters() -> None:
    lengths = [
        len(BINANCE.connection([f"COIN{number:04}USDT" for number in range(count)]).url)
        for count in range(1, 500)
    ]

    assert 7_900 < max(lengths) <= 8_000


def test_connection_of_too_many_symbols_is_refused() -> None:
    with pytest.raises(VenueError, match="expected at most 1024 symbols a connection, found 1025"):
        BINANCE.connection([f"S{number}" for number in range(1025)])


def test_time_request_asks_for_the_clock() -> None:
    assert BINANCE.time_request() == Request("https://api.example/api/v3/time", weight=1)


def test_instruments_request_names_the_symbols_as_json() -> None:
    request = BINANCE.instruments_request(["BTCUSDT", "ETHUSDT"])

    assert urlsplit(request.url).path == "/api/v3/exchangeInfo"
    assert query(request) == {"symbols": '["BTCUSDT","ETHUSDT"]'}
    assert request.weight == 20


def test_instruments_request_of_many_symbols_asks_for_all() -> None:
    request = BINANCE.instruments_request([f"COIN{number:04}USDT" for number in range(500)])

    assert request.url == "https://api.example/api/v3/exchangeInfo"


def test_trades_request_from_an_id_starts_with_it() -> None:
    request = BINANCE.trades_request("BTCUSDT", from_id=0)

    assert urlsplit(request.url).path == "/api/v3/aggTrades"
    assert query(request) == {"symbol": "BTCUSDT", "limit": "1000", "fromId": "0"}
    assert request.weight == 4


@pytest.mark.parametrize(
    ("start_us", "start_ms"), [(5_000, "5"), (5_001, "6"), (5_999, "6"), (0, "0")]
)
def test_trades_request_from_a_time_starts_at_the_first_millisecond_not_before_it(
    start_us: int, start_ms: str
) -> None:
    request = BINANCE.trades_request("BTCUSDT", start_us=start_us)

    assert query(request) == {"symbol": "BTCUSDT", "limit": "1000", "startTime": start_ms}


def test_trades_request_without_a_start_asks_for_the_newest_one() -> None:
    assert query(BINANCE.trades_request("BTCUSDT")) == {"symbol": "BTCUSDT", "limit": "1"}


def test_bars_request_turns_an_exclusive_end_into_an_inclusive_one() -> None:
    request = BINANCE.bars_request(
        "BTCUSDT", every_us=60_000_000, start_us=120_000_000, end_us=240_000_000
    )

    assert urlsplit(request.url).path == "/api/v3/klines"
    assert query(request) == {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "startTime": "120000",
        "endTime": "239999",
        "limit": "1000",
    }
    assert request.weight == 2


@pytest.mark.parametrize(
    "interval",
    ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"],
)
def test_bars_request_of_an_interval_of_the_venue_names_it(interval: str) -> None:
    request = BINANCE.bars_request(
        "BTCUSDT", every_us=parse_duration(interval), start_us=0, end_us=1
    )

    assert query(request)["interval"] == interval


@pytest.mark.parametrize("every", ["100ms", "2s", "7m", "3h", "2d"])
def test_bars_request_of_another_length_says_what_there_is(every: str) -> None:
    with pytest.raises(VenueError, match=rf"a bar length of 1s, 1m, 3m, .*, 1d, found {every}"):
        BINANCE.bars_request("BTCUSDT", every_us=parse_duration(every), start_us=0, end_us=1)


def test_control_messages_are_what_the_venue_documents() -> None:
    assert json.loads(BINANCE.audit_message(3)) == {"method": "LIST_SUBSCRIPTIONS", "id": 3}
    for method, message in (
        ("SUBSCRIBE", BINANCE.subscribe_message(["BTCUSDT", "ETHUSDT"], 4)),
        ("UNSUBSCRIBE", BINANCE.unsubscribe_message(["BTCUSDT", "ETHUSDT"], 4)),
    ):
        assert json.loads(message) == {
            "method": method,
            "params": ["btcusdt@aggTrade", "ethusdt@aggTrade"],
            "id": 4,
        }


@pytest.mark.parametrize(
    ("headers", "weight"),
    [
        ({"x-mbx-used-weight-1m": "1207", "x-mbx-used-weight": "9"}, 1207),
        ({"x-mbx-used-weight": "9"}, None),
        ({"x-mbx-used-weight-1m": "many"}, None),
    ],
)
def test_used_weight_is_that_of_the_minute(headers: dict[str, str], weight: int | None) -> None:
    assert BINANCE.used_weight(headers) == weight


def test_instruments_request_without_symbols_asks_for_the_whole_listing() -> None:
    venue = Binance("exchange", "ws://127.0.0.1:1", "http://127.0.0.1:2")
    assert venue.instruments_request([]).url == "http://127.0.0.1:2/api/v3/exchangeInfo"


BOOKS = Binance("binance", "wss://stream.example", "https://api.example", book_levels=10)


def test_connection_with_books_carries_the_changes_of_each_beside_its_trades() -> None:
    assert BOOKS.connection(["BTCUSDT", "ETHUSDT"]) == Connection(
        "wss://stream.example/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade"
        "/btcusdt@depth@100ms/ethusdt@depth@100ms"
    )
    many = BOOKS.connection([f"COIN{number:04}USDT" for number in range(512)])
    assert sum(len(json.loads(message)["params"]) for message in many.on_open) == 1024


def test_connection_with_books_of_too_many_symbols_is_refused() -> None:
    with pytest.raises(VenueError, match="expected at most 512 symbols a connection, found 513"):
        BOOKS.connection([f"S{number}" for number in range(513)])


def test_messages_with_books_name_both_streams_or_that_of_the_book_alone() -> None:
    both = ["btcusdt@aggTrade", "btcusdt@depth@100ms"]
    assert json.loads(BOOKS.subscribe_message(["BTCUSDT"], 4))["params"] == both
    assert json.loads(BOOKS.unsubscribe_message(["BTCUSDT"], 4))["params"] == both
    (message,) = BOOKS.book_messages(["BTCUSDT", "ETHUSDT"], 5)
    assert json.loads(message) == {
        "method": "SUBSCRIBE",
        "params": ["btcusdt@depth@100ms", "ethusdt@depth@100ms"],
        "id": 5,
    }


def test_audit_with_books_counts_a_symbol_with_both_of_its_streams() -> None:
    answer = b'{"result":["aa@aggTrade","aa@depth@100ms","bb@aggTrade","cc@depth@100ms"],"id":7}'
    (audit,) = BOOKS.parse([answer], [1]).audits
    assert audit.symbols == {"AA"}
    (audit,) = BINANCE.parse([answer], [1]).audits
    assert audit.symbols == {"AA", "BB"}


def test_snapshot_request_asks_for_100_levels() -> None:
    assert BOOKS.snapshot_request("BTCUSDT") == Request(
        "https://api.example/api/v3/depth?symbol=BTCUSDT&limit=100", weight=5
    )


def test_book_of_the_venue_knows_no_more_than_the_100_levels_of_a_snapshot() -> None:
    book = BOOKS.new_book()
    levels = [(Decimal(price), Decimal(1)) for price in range(1, 101)]
    book.apply(Snapshot("A", levels, levels[:99], last_id=1))
    assert book.bids.knows(100)
    assert not book.bids.knows(101)
    assert book.asks.knows(101)


def test_book_of_the_venue_keeps_1000_changes_for_its_snapshot() -> None:
    book = BOOKS.new_book()
    for number in range(2, 1003):
        book.apply(Change("A", [], [], first_id=number, last_id=number))
    assert book.apply(Snapshot("A", [], [], last_id=1)) is Outcome.TOO_OLD
    assert book.apply(Snapshot("A", [], [], last_id=2)) is Outcome.APPLIED
