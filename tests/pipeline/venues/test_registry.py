from __future__ import annotations

import pytest

from pipeline.config import Config
from pipeline.errors import VenueError
from pipeline.venues.registry import VENUES, symbol_form, venue_for, venue_of


def test_registry_lists_the_names_a_configuration_can_use() -> None:
    assert VENUES == ("exchange", "binance", "binance-us", "kraken")


@pytest.mark.parametrize(
    ("name", "websocket_host", "rest_host"),
    [
        ("binance", "wss://data-stream.binance.vision/", "https://data-api.binance.vision/"),
        ("binance-us", "wss://stream.binance.us:9443/", "https://api.binance.us/"),
        ("kraken", "wss://ws.kraken.com/v2", "https://api.kraken.com/0/public/"),
    ],
)
def test_venue_for_a_public_name_is_at_its_public_address(
    name: str, websocket_host: str, rest_host: str
) -> None:
    venue = venue_for(name)

    assert venue.name == name
    assert venue.connection([symbol_form(name).example]).url.startswith(websocket_host)
    assert venue.time_request().url.startswith(rest_host)


@pytest.mark.parametrize(
    ("name", "websocket_url", "rest_url"),
    [
        # The hosts that also take orders, and the other ports and hosts of the venue.
        ("binance", "wss://stream.binance.com:9443", "https://api.binance.com"),
        ("binance", "wss://stream.binance.com:443", "https://api-gcp.binance.com"),
        ("binance", "wss://stream.testnet.binance.vision", "https://testnet.binance.vision"),
        ("binance-us", "wss://stream.binance.us:443", "https://api.binance.us"),
        ("kraken", "wss://beta-ws.kraken.com", "https://api.kraken.com"),
    ],
)
def test_venue_of_a_configuration_is_at_the_hosts_it_names(
    name: str, websocket_url: str, rest_url: str
) -> None:
    venue = {"name": name, "websocket_url": websocket_url, "rest_url": rest_url}
    symbol = symbol_form(name).example
    config = Config.model_validate({"venue": venue, "symbols": [symbol]}).venue

    found = venue_of(config)

    assert found.connection([symbol]).url.startswith(f"{websocket_url}/")
    assert found.trades_request(symbol).url.startswith(f"{rest_url}/")


def test_venue_for_given_addresses_uses_them() -> None:
    venue = venue_for(
        "binance", websocket_url="ws://127.0.0.1:9001", rest_url="http://127.0.0.1:9002"
    )

    assert venue.connection(["BTCUSDT"]).url.startswith("ws://127.0.0.1:9001/stream?")
    assert venue.time_request().url == "http://127.0.0.1:9002/api/v3/time"


@pytest.mark.parametrize(
    "urls", [{}, {"rest_url": "http://h"}, {"websocket_url": "ws://h"}], ids=str
)
def test_venue_for_the_exchange_without_an_address_is_refused(urls: dict[str, str]) -> None:
    with pytest.raises(VenueError, match="exchange: expected websocket_url and rest_url"):
        venue_for("exchange", **urls)


def test_venue_for_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(VenueError, match="exchange, binance, binance-us, kraken, found bitmex"):
        venue_for("bitmex")
