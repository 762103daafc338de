"""A rule for symbols against the real exchange on loopback."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actors.exchange.server import ExchangeServer
from actors.following import Following
from actors.rest import RestClient
from pipeline.config import SymbolRule
from pipeline.durations import MINUTE
from pipeline.errors import ConfigError, VenueDisconnected
from pipeline.market import SyntheticMarket
from pipeline.venues.registry import venue_for

MARKETS = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]


class Setup:
    def __init__(self, port: int, rule: SymbolRule, name: str = "exchange") -> None:
        self.port = port
        self.now_s = 0.0
        venue = venue_for(
            name, websocket_url=f"ws://127.0.0.1:{port}", rest_url=f"http://127.0.0.1:{port}"
        )
        self.following = Following(venue, RestClient(), rule, clock=lambda: self.now_s)

    def trade(self, symbol: str, *, trading: bool) -> None:
        body = json.dumps({"symbol": symbol, "trading": trading}).encode()
        url = f"http://127.0.0.1:{self.port}/admin/listing"
        request = urllib.request.Request(url, data=body, method="POST")
        urllib.request.urlopen(request).close()  # noqa: S310 - loopback

    def begin(self) -> list[str]:
        return [instrument.symbol for instrument in self.following.begin("some.yaml")]

    def look(self, after_s: float = 10.0) -> tuple[list[str], list[str]] | None:
        self.now_s += after_s
        change = self.following.look()
        if change is None:
            return None
        return [one.symbol for one in change.listed], sorted(change.delisted)


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


def test_rule_follows_what_is_listed_and_delisted() -> None:
    with serving() as (_, port):
        at = Setup(port, rule())
        at.trade("ETHUSDT", trading=False)
        assert at.begin() == ["BTCUSDT", "SOLUSDT", "XRPUSDT"]
        assert at.look(9.9) is None  # not due
        assert at.look(0.1) is None  # nothing new
        at.trade("ETHUSDT", trading=True)
        assert at.look() == (["ETHUSDT"], [])
        at.trade("XRPUSDT", trading=False)
        assert at.look() == ([], ["XRPUSDT"])
        assert at.look() is None
        assert len(at.following.watched) == 4


def test_rule_of_a_venue_that_cannot_be_asked_goes_on_with_the_same_markets() -> None:
    with serving() as (server, port):
        at = Setup(port, rule())
        at.begin()
        server.stop()
        assert at.look() is None
        assert at.look() is None
        assert len(at.following.watched) == 3
        with pytest.raises(VenueDisconnected):
            at.following.begin("some.yaml")


def test_rule_that_chooses_nothing_is_a_problem_of_the_configuration() -> None:
    with serving() as (_, port):
        with pytest.raises(ConfigError, match=r"symbols.quote: expected markets in EUR"):
            Setup(port, rule(quote="EUR")).begin()
        with pytest.raises(ConfigError, match="kraken tells no volumes to choose by"):
            Setup(port, rule(), "kraken").begin()
