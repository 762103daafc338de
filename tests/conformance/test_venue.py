"""What every venue has to do, whatever its protocol is."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.durations import MINUTE, SECOND
from pipeline.errors import VenueError
from pipeline.schema import REJECTED, TRADES
from pipeline.venues.registry import VENUES, venue_for

if TYPE_CHECKING:
    from pipeline.venues.protocol import Venue

BINANCE_TRADE = json.dumps(
    {
        "stream": "btcusdt@aggTrade",
        "data": {
            "e": "aggTrade",
            "E": 1633998523963,
            "s": "BTCUSDT",
            "a": 12345,
            "p": "0.001",
            "q": "100",
            "f": 100,
            "l": 105,
            "T": 1633998523963,
            "m": True,
            "M": True,
        },
    }
).encode()

#: A message of each venue that carries one trade of BTCUSDT, with id 12345.
TRADE_MESSAGES = dict.fromkeys(("exchange", "binance", "binance-us"), BINANCE_TRADE)

WEBSOCKET_URL, REST_URL = "wss://stream.example:9443", "https://api.example:8443"


@pytest.fixture(params=VENUES)
def venue(request: pytest.FixtureRequest) -> Venue:
    return venue_for(request.param, websocket_url=WEBSOCKET_URL, rest_url=REST_URL)


def test_venue_survives_the_trip_to_another_process(venue: Venue) -> None:
    assert pickle.loads(pickle.dumps(venue)) == venue  # noqa: S301 - our own bytes


def test_connection_carries_every_symbol_once(venue: Venue) -> None:
    symbols = [f"COIN{number:03}USDT" for number in range(1000)]

    connection = venue.connection(symbols)

    asked = (unquote(connection.url) + "".join(connection.on_open)).upper()
    assert connection.url.startswith(f"{WEBSOCKET_URL}/")
    assert [asked.count(symbol) for symbol in symbols] == [1] * 1000


def test_requests_go_to_the_given_address_and_have_a_weight(venue: Venue) -> None:
    requests = [
        venue.time_request(),
        venue.instruments_request(["BTCUSDT"]),
        venue.trades_request("BTCUSDT"),
        venue.trades_request("BTCUSDT", from_id=1),
        venue.trades_request("BTCUSDT", start_us=SECOND),
        venue.bars_request("BTCUSDT", every_us=MINUTE, start_us=0, end_us=MINUTE),
    ]

    assert all(request.url.startswith(f"{REST_URL}/") for request in requests)
    assert all(request.weight > 0 for request in requests)
    assert len({request.url for request in requests}) == len(requests)


def test_control_messages_name_what_they_are_about_and_their_request(venue: Venue) -> None:
    for message in (
        venue.subscribe_message(["BTCUSDT", "ETHUSDT"], 1234),
        venue.unsubscribe_message(["BTCUSDT", "ETHUSDT"], 1234),
    ):
        assert [message.upper().count(text) for text in ("BTCUSDT", "ETHUSDT", "1234")] == [1, 1, 1]
    assert venue.subscribe_message(["BTCUSDT"], 1) != venue.unsubscribe_message(["BTCUSDT"], 1)
    audit = venue.audit_message(1234)
    assert audit is None or "1234" in audit


def test_limits_allow_something_and_an_answer_without_headers_says_no_weight(venue: Venue) -> None:
    limits = venue.limits
    assert min(limits.weight, limits.connections) > 0
    assert limits.messages > 1
    assert venue.used_weight({}) is None


def test_pages_hold_more_than_one_row(venue: Venue) -> None:
    assert venue.trades_page > 1
    assert venue.bars_page > 1


def test_bars_of_an_odd_length_are_refused_by_the_venue(venue: Venue) -> None:
    with pytest.raises(VenueError, match=f"{venue.name}: expected a bar length .*, found 17s"):
        venue.bars_request("BTCUSDT", every_us=17 * SECOND, start_us=0, end_us=MINUTE)


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'{"code":-1000,"msg":"x"}', b"\xff"])
def test_answers_that_are_something_else_raise(venue: Venue, body: bytes) -> None:
    with pytest.raises(VenueError):
        venue.parse_time(body)
    with pytest.raises(VenueError):
        venue.parse_instruments(body)
    with pytest.raises(VenueError):
        venue.parse_trades(body, "BTCUSDT", 0)
    with pytest.raises(VenueError):
        venue.parse_bars(body, "BTCUSDT")


@pytest.mark.parametrize("name", VENUES)
@given(st.lists(st.none() | st.binary(max_size=30), max_size=6))
def test_parse_counts_every_message_once(name: str, junk: list[bytes | None]) -> None:
    venue = venue_for(name, websocket_url=WEBSOCKET_URL, rest_url=REST_URL)
    messages = [TRADE_MESSAGES[name] if message is None else message for message in junk]
    times = list(range(1_700_000_000_000_000, 1_700_000_000_000_000 + len(messages)))

    parsed = venue.parse(messages, times)

    sound = [time for time, message in zip(times, junk, strict=True) if message is None]
    assert parsed.data == parsed.trades.height == len(sound)
    assert parsed.data + parsed.replies + parsed.other + parsed.rejected.height == len(messages)
    assert (parsed.trades.schema, parsed.rejected.schema) == (TRADES, REJECTED)
    assert parsed.trades["receive_time"].to_physical().to_list() == sound
    assert set(parsed.trades["trade_id"]) <= {12345}
    assert set(parsed.trades["symbol"]) <= {"BTCUSDT"}
