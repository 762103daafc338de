"""A rule for symbols against the real exchange on loopback."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actors.exchange.server import ExchangeServer
from actors.following import Following
from actors.rest import RestClient
from pipeline.config_sections import SymbolRule
from pipeline.durations import MINUTE
from pipeline.errors import ConfigError, VenueDisconnected
from pipeline.market import SyntheticMarket
from pipeline.venues.protocol import Venue
from pipeline.venues.registry import venue_for
from tests.actors.kraken_server import KrakenServer

MARKETS = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]


class Setup:
    def __init__(self, port: int, rule: SymbolRule, name: str = "exchange") -> None:
        self.port = port
        self.name = name
        self.now_s = 0.0
        venue = self.venue_at(port)
        self.following = Following(venue, RestClient(), rule, clock=lambda: self.now_s)

    def venue_at(self, port: int) -> Venue:
        return venue_for(
            self.name, websocket_url=f"ws://127.0.0.1:{port}", rest_url=f"http://127.0.0.1:{port}"
        )

    def change(self, symbol: str, **listing: bool) -> None:
        self.change_at(self.port, symbol, **listing)

    def change_at(self, port: int, symbol: str, **listing: bool) -> None:
        body = json.dumps({"symbol": symbol, **listing}).encode()
        url = f"http://127.0.0.1:{port}/admin/listing"
        request = urllib.request.Request(url, data=body, method="POST")
        urllib.request.urlopen(request).close()  # noqa: S310 - loopback

    def begin(self) -> list[str]:
        return [instrument.symbol for instrument in self.following.begin("some.yaml")]

    def look(self, after_s: float = 10.0) -> tuple[list[str], dict[str, str]] | None:
        """Look until the venue has answered, if it is asked."""
        self.now_s += after_s
        assert self.following.look() is None
        asking = self.following._asking
        if asking is None:
            return None
        asking.join(30)
        change = self.following.look()
        if change is None:
            return None
        return [one.symbol for one in change.entered], dict(change.ended)


@contextmanager
def serving() -> Iterator[tuple[ExchangeServer, int]]:
    market = SyntheticMarket(
        MARKETS, seed=3, start_us=time.time_ns() // 1000, history_us=5 * MINUTE
    )
    server = ExchangeServer(market, host="127.0.0.1", port=0, admin=True)
    try:
        yield server, server.start()
    finally:
        server.stop()


def rule(**fields: object) -> SymbolRule:
    return SymbolRule.model_validate({"quote": "USDT", "top": 3, "refresh": "10s", **fields})


def test_rule_starts_with_the_markets_of_the_highest_volume() -> None:
    with serving() as (_, port):
        assert Setup(port, rule()).begin() == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        assert Setup(port, rule(exclude=["ETHUSDT"])).begin() == ["BTCUSDT", "SOLUSDT", "XRPUSDT"]


def test_rule_follows_what_is_listed_and_delisted_and_lets_it_return() -> None:
    with serving() as (_, port):
        at = Setup(port, rule())
        at.change("ETHUSDT", listed=False)
        assert at.begin() == ["BTCUSDT", "SOLUSDT", "XRPUSDT"]
        assert at.look(9.9) is None  # not due
        assert at.look(0.1) is None  # nothing new
        at.change("ETHUSDT")
        assert at.look() == (["ETHUSDT"], {})  # the fourth, and there is room for a fifth more
        at.change("XRPUSDT", listed=False)
        assert at.look() == ([], {"XRPUSDT": "delisted"})
        assert at.look() is None
        at.change("BTCUSDT", listed=False)
        at.change("XRPUSDT")
        assert at.look() == (["XRPUSDT"], {"BTCUSDT": "delisted"})


def test_rule_keeps_a_market_that_is_halted_and_starts_none() -> None:
    with serving() as (_, port):
        at = Setup(port, rule(top=2))
        at.change("ETHUSDT", trading=False)
        assert at.begin() == ["BTCUSDT", "SOLUSDT"]
        at.change("SOLUSDT", trading=False)
        assert at.look() is None
        at.change("SOLUSDT")
        assert at.look() is None


def test_rule_does_not_wait_for_the_venue() -> None:
    with serving() as (_, port), socket.create_server(("127.0.0.1", 0)) as silent:
        at = Setup(port, rule())
        at.begin()
        at.following._venue = at.venue_at(silent.getsockname()[1])
        at.now_s += 10.0
        assert at.following.look() is None
        asked, _ = silent.accept()  # the venue is being asked, and says nothing
        with asked:
            assert at.following.look() is None
            assert at.following._asking is not None
            assert at.following._asking.is_alive()


def test_rule_of_a_venue_that_cannot_be_asked_goes_on_with_the_same_markets() -> None:
    with serving() as (server, port):
        at = Setup(port, rule())
        at.begin()
        server.stop()
        assert at.look() is None
        assert at.look(9.9) is None
        assert at.following._asking is None  # asked again only when it is due
        with pytest.raises(VenueDisconnected):
            at.following.begin("some.yaml")
    with serving() as (_, port):
        at.following._venue = at.venue_at(port)
        at.change_at(port, "SOLUSDT", listed=False)
        assert at.look() == (["XRPUSDT"], {"SOLUSDT": "delisted"})


def test_rule_of_a_venue_that_lists_nothing_goes_on_with_the_same_markets() -> None:
    with serving() as (_, port):
        at = Setup(port, rule())
        at.begin()
        for symbol in MARKETS:
            at.change(symbol, listed=False)
        assert at.look() is None
        for symbol in MARKETS:
            at.change(symbol)
        assert at.look() is None


def test_rule_that_chooses_nothing_is_a_problem_of_the_configuration() -> None:
    with (
        serving() as (_, port),
        pytest.raises(ConfigError, match=r"symbols.quote: expected markets in EUR"),
    ):
        Setup(port, rule(quote="EUR")).begin()


def test_rule_for_kraken_finds_the_market_in_its_listing_and_its_tickers() -> None:
    with KrakenServer() as server:
        port = int(server.url.rpartition(":")[2])
        assert Setup(port, rule(quote="USD"), "kraken").begin() == ["BTC/USD"]
