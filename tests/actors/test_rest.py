from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from actors.rest import RestClient, fetch_bars, fetch_trades, newest_trade
from pipeline.errors import VenueDisconnected, VenueError, VenueRefused
from pipeline.schema import BARS, TRADES
from pipeline.venues.protocol import Request
from pipeline.venues.registry import venue_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.venues.protocol import Venue

    Answer = tuple[int, dict[str, str], bytes]
    Query = dict[str, str]

FIRST_ID, LAST_ID = 100, 3_457
FIRST_OPEN_MS, LAST_OPEN_MS = 1_600_000_000_000, 1_600_002_499_000


class Handler(BaseHTTPRequestHandler):
    """Answers with whatever the test set, and remembers what was asked."""

    server: RestServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.server.asked.append((parts.path, query, self.headers["User-Agent"]))
        status, headers, body = self.server.answer(parts.path, query)
        with suppress(ConnectionError):  # the client may have given up
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


class RestServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, Query, str]] = []
        self.answer: Callable[[str, Query], Answer] = history
        self.url = f"http://127.0.0.1:{self.server_port}"


def trade(trade_id: int) -> dict[str, object]:
    return {
        "a": trade_id,
        "p": "1.5",
        "q": "2.0",
        "f": trade_id,
        "l": trade_id,
        "T": 1_600_000_000_000 + trade_id,
        "m": True,
        "M": True,
    }


def bar(open_ms: int) -> list[object]:
    return [open_ms, "1", "2", "0.5", "1.5", "10", open_ms + 999, "15", 3, "5", "7", "0"]


def history(path: str, query: Query) -> Answer:
    """Serve trades FIRST_ID..LAST_ID and 1 s bars FIRST_OPEN_MS..LAST_OPEN_MS as Binance does."""
    limit = int(query["limit"])
    if path == "/api/v3/klines":
        start = max(int(query["startTime"]), FIRST_OPEN_MS)
        end = min(int(query["endTime"]), LAST_OPEN_MS)
        rows: list[object] = [bar(open_ms) for open_ms in range(start, end + 1, 1_000)][:limit]
    elif "fromId" in query:
        start = max(int(query["fromId"]), FIRST_ID)
        rows = [trade(number) for number in range(start, LAST_ID + 1)][:limit]
    else:
        rows = [trade(number) for number in range(FIRST_ID, LAST_ID + 1)][-limit:]
    return 200, {}, json.dumps(rows).encode()


def always(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> Callable[[str, Query], Answer]:
    return lambda _path, _query: (status, headers or {}, body)


@pytest.fixture
def server() -> Iterator[RestServer]:
    with RestServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def venue(server: RestServer) -> Venue:
    return venue_for("exchange", websocket_url="ws://unused", rest_url=server.url)


def test_get_returns_the_body_and_introduces_itself(server: RestServer) -> None:
    server.answer = always(200, b"body")

    assert RestClient(user_agent="me/1").get(Request(f"{server.url}/x?y=z", 1)) == b"body"
    assert server.asked == [("/x", {"y": "z"}, "me/1")]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_get_refused_tells_the_venue_code_text_and_url(server: RestServer, status: int) -> None:
    server.answer = always(status, b'{"code":-1121,"msg":"Invalid symbol."}')

    with pytest.raises(VenueRefused) as caught:
        RestClient().get(Request(f"{server.url}/api", 1))

    assert str(caught.value) == (
        f'GET {server.url}/api: HTTP {status} {{"code":-1121,"msg":"Invalid symbol."}}'
    )
    assert isinstance(caught.value.__cause__, HTTPError)
    assert caught.value.__cause__.closed


@pytest.mark.parametrize("status", [500, 503, 504])
def test_get_that_fails_at_the_venue_may_be_repeated(server: RestServer, status: int) -> None:
    client = RestClient()
    server.answer = always(status, b"busy")
    with pytest.raises(VenueDisconnected, match=f"HTTP {status} busy"):
        client.get(Request(server.url, 1))

    server.answer = always(200, b"body")

    assert client.get(Request(server.url, 1)) == b"body"


@pytest.mark.parametrize(
    ("status", "headers", "waits_s"),
    [
        (429, {"Retry-After": "7"}, 7),
        (418, {"Retry-After": "120"}, 120),
        (429, {}, 60),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60),
    ],
)
def test_get_limited_by_the_venue_sends_nothing_until_it_may(
    server: RestServer, status: int, headers: dict[str, str], waits_s: int
) -> None:
    client = RestClient()
    server.answer = always(status, b'{"code":-1003,"msg":"Too much"}', headers)
    with pytest.raises(
        VenueDisconnected, match=rf'"Too much"}}, too many requests for {waits_s} s'
    ):
        client.get(Request(server.url, 1))

    server.answer = always(200, b"body")
    with pytest.raises(VenueDisconnected, match=rf"not sent, too many requests for {waits_s} s"):
        client.get(Request(server.url, 1))

    assert len(server.asked) == 1


def test_get_limited_twice_waits_for_the_longer_one(server: RestServer) -> None:
    client = RestClient()
    limited = threading.Event()

    def answer(path: str, _query: Query) -> Answer:
        if path == "/long":
            return 429, {"Retry-After": "100"}, b""
        limited.wait(10.0)
        return 429, {"Retry-After": "0"}, b""

    def get_short() -> None:
        with pytest.raises(VenueDisconnected, match="too many requests for 0 s"):
            client.get(Request(f"{server.url}/short", 1))

    server.answer = answer
    thread = threading.Thread(target=get_short)
    thread.start()
    while not server.asked:
        thread.join(0.002)
    with pytest.raises(VenueDisconnected, match="for 100 s"):
        client.get(Request(f"{server.url}/long", 1))
    limited.set()
    thread.join()

    with pytest.raises(VenueDisconnected, match="not sent, too many requests for 100 s"):
        client.get(Request(server.url, 1))


def test_get_limited_for_no_time_sends_the_next_one(server: RestServer) -> None:
    client = RestClient()
    server.answer = always(429, headers={"Retry-After": "0"})
    with pytest.raises(VenueDisconnected):
        client.get(Request(server.url, 1))

    server.answer = always(200, b"body")

    assert client.get(Request(server.url, 1)) == b"body"


@pytest.mark.parametrize("status", [200, 429])
def test_get_of_a_truncated_answer_may_be_repeated(server: RestServer, status: int) -> None:
    server.answer = always(status, b"half", {"Content-Length": "100"})

    with pytest.raises(VenueDisconnected):
        RestClient().get(Request(server.url, 1))


def test_get_from_nobody_may_be_repeated() -> None:
    with RestServer() as gone:
        url = gone.url

    with pytest.raises(VenueDisconnected, match=rf"GET {url}: .*refused"):
        RestClient().get(Request(url, 1))


def test_get_without_an_answer_in_time_may_be_repeated(server: RestServer) -> None:
    asked_enough = threading.Event()

    def never(_path: str, _query: Query) -> Answer:
        asked_enough.wait(10.0)
        return 200, {}, b""

    server.answer = never

    with pytest.raises(VenueDisconnected, match="timed out"):
        RestClient(timeout_s=0.05).get(Request(server.url, 1))

    asked_enough.set()


def test_get_from_loopback_ignores_the_proxy_of_the_environment(
    server: RestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.answer = always(200, b"direct")

    assert RestClient().get(Request(server.url, 1)) == b"direct"


def test_get_from_elsewhere_uses_the_proxy_of_the_environment(
    server: RestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.answer = always(200, b"proxied")

    assert RestClient().get(Request("http://venue.invalid/x", 1)) == b"proxied"


@pytest.mark.parametrize(
    ("from_id", "to_id", "first", "last", "requests"),
    [
        (150, 160, 150, 160, 1),
        (100, 1_099, 100, 1_099, 1),
        (100, 1_100, 100, 1_100, 2),
        (100, LAST_ID, 100, LAST_ID, 4),
        (3_000, 9_999, 3_000, LAST_ID, 1),
        (1, 120, 100, 120, 1),
        (500, 500, 500, 500, 1),
    ],
)
def test_fetch_trades_returns_the_range_that_is_served(
    server: RestServer,
    venue: Venue,
    from_id: int,
    to_id: int,
    first: int,
    last: int,
    requests: int,
) -> None:
    trades = fetch_trades(venue, RestClient(), "BTCUSDT", from_id=from_id, to_id=to_id, start_us=0)

    assert trades.schema == TRADES
    assert trades["trade_id"].to_list() == list(range(first, last + 1))
    assert len(server.asked) == requests


def test_fetch_trades_of_an_empty_range_asks_nothing(server: RestServer, venue: Venue) -> None:
    trades = fetch_trades(venue, RestClient(), "BTCUSDT", from_id=10, to_id=9, start_us=0)

    assert trades.schema == TRADES
    assert trades.is_empty()
    assert server.asked == []


def test_fetch_trades_beyond_the_newest_returns_none(venue: Venue) -> None:
    assert fetch_trades(
        venue, RestClient(), "BTCUSDT", from_id=9_000, to_id=9_001, start_us=0
    ).is_empty()


def test_fetch_trades_that_goes_nowhere_raises(server: RestServer, venue: Venue) -> None:
    first_page = json.dumps([trade(number) for number in range(100, 1_100)]).encode()
    server.answer = always(200, first_page)

    with pytest.raises(VenueError, match="expected trades from 1100, found up to 1099"):
        fetch_trades(venue, RestClient(), "BTCUSDT", from_id=100, to_id=5_000, start_us=0)


def test_newest_trade_returns_one_row(venue: Venue) -> None:
    assert newest_trade(venue, RestClient(), "BTCUSDT")["trade_id"].to_list() == [LAST_ID]


def test_newest_trade_of_a_market_without_trades_returns_none(
    server: RestServer, venue: Venue
) -> None:
    server.answer = always(200, b"[]")

    assert newest_trade(venue, RestClient(), "BTCUSDT").is_empty()


@pytest.mark.parametrize(
    ("start_s", "end_s", "rows", "requests"),
    [(0, 10, 10, 1), (0, 1_000, 1_000, 1), (0, 2_500, 2_500, 3), (2_000, 9_000, 500, 1)],
)
def test_fetch_bars_returns_the_range_that_is_served(
    server: RestServer, venue: Venue, start_s: int, end_s: int, rows: int, requests: int
) -> None:
    first_us = FIRST_OPEN_MS * 1_000

    bars = fetch_bars(
        venue,
        RestClient(),
        "BTCUSDT",
        every_us=1_000_000,
        start_us=first_us + start_s * 1_000_000,
        end_us=first_us + end_s * 1_000_000,
    )

    assert bars.schema == BARS
    assert bars["open_time"].to_physical().to_list() == [
        first_us + (start_s + row) * 1_000_000 for row in range(rows)
    ]
    assert len(server.asked) == requests


def test_fetch_bars_of_an_empty_range_asks_nothing(server: RestServer, venue: Venue) -> None:
    bars = fetch_bars(venue, RestClient(), "BTCUSDT", every_us=1_000_000, start_us=5, end_us=5)

    assert bars.equals(pl.DataFrame(schema=BARS))
    assert server.asked == []


def test_fetch_bars_that_goes_nowhere_raises(server: RestServer, venue: Venue) -> None:
    page = json.dumps([bar(FIRST_OPEN_MS + number * 1_000) for number in range(1_000)]).encode()
    server.answer = always(200, page)

    with pytest.raises(VenueError, match="expected bars from 1600001000000000 us, found up to"):
        fetch_bars(
            venue,
            RestClient(),
            "BTCUSDT",
            every_us=1_000_000,
            start_us=FIRST_OPEN_MS * 1_000,
            end_us=LAST_OPEN_MS * 1_000,
        )
