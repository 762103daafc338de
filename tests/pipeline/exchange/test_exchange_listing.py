"""Markets that are halted, or taken off the listing."""

from __future__ import annotations

import json

import pytest

from pipeline.durations import MINUTE, SECOND
from pipeline.exchange import admin
from pipeline.exchange.rest import Request, Response, respond
from pipeline.exchange.venue import Exchange
from pipeline.exchange.weights import RequestWeights
from pipeline.market import SyntheticMarket

START_US = 1_700_000_000_000_000


def opened() -> Exchange:
    market = SyntheticMarket(["BTCUSDT", "ETHUSDT"], seed=3, start_us=START_US, history_us=MINUTE)
    exchange = Exchange(market)
    exchange.lay_down_history()
    return exchange


def change(exchange: Exchange, **body: object) -> Response:
    return admin.change_listing(exchange, json.dumps(body).encode())


def ask(exchange: Exchange, endpoint: str, *query: tuple[str, str]) -> Response:
    return respond(exchange, RequestWeights(), Request(endpoint, query, 1000, "here"), 0)


@pytest.mark.parametrize("without", ["trading", "listed"])
def test_market_that_pauses_makes_no_trades_and_its_ids_abut_over_the_pause(without: str) -> None:
    exchange = opened()
    exchange.advance(START_US + 10 * SECOND)
    for at_s in (30, 40, 60):
        change(exchange, symbol="BTCUSDT", **{without: at_s == 40})
        exchange.advance(START_US + at_s * SECOND)
    change(exchange, symbol="BTCUSDT")
    exchange.advance(START_US + 70 * SECOND)

    trades = exchange.markets["BTCUSDT"].trades
    seconds = {*((trades.time_us - START_US) // SECOND).tolist()}
    assert seconds == {*range(-60, 10), *range(30, 40), *range(60, 70)}
    assert trades.trade_id.tolist() == list(range(1, len(trades) + 1))
    assert trades.first_id[1:].tolist() == (trades.last_id[:-1] + 1).tolist()
    others = exchange.markets["ETHUSDT"].trades
    assert {*((others.time_us - START_US) // SECOND).tolist()} == {*range(-60, 70)}


def test_halted_market_is_listed_as_broken_and_rest_goes_on_to_serve_it() -> None:
    exchange = opened()
    answer = change(exchange, symbol="BTCUSDT", trading=False)
    assert json.loads(answer.body) == {"halted": ["BTCUSDT"], "delisted": []}
    listing = json.loads(ask(exchange, "exchangeInfo").body)["symbols"]
    assert [(one["symbol"], one["status"]) for one in listing] == [
        ("BTCUSDT", "BREAK"),
        ("ETHUSDT", "TRADING"),
    ]
    assert len(json.loads(ask(exchange, "aggTrades", ("symbol", "BTCUSDT")).body)) == 500


def test_delisted_market_is_unknown_to_rest_until_it_is_listed_again() -> None:
    exchange = opened()
    answer = change(exchange, symbol="BTCUSDT", listed=False)
    assert json.loads(answer.body) == {"halted": [], "delisted": ["BTCUSDT"]}
    for endpoint in ("exchangeInfo", "ticker/24hr", "ticker/price"):
        told = json.loads(ask(exchange, endpoint).body)
        rows = told["symbols"] if endpoint == "exchangeInfo" else told
        assert [row["symbol"] for row in rows] == ["ETHUSDT"]
    for endpoint in ("aggTrades", "trades", "depth", "exchangeInfo", "ticker/24hr"):
        assert ask(exchange, endpoint, ("symbol", "BTCUSDT")).status == 400
    change(exchange, symbol="BTCUSDT", listed=True)
    assert ask(exchange, "aggTrades", ("symbol", "BTCUSDT")).status == 200


@pytest.mark.parametrize("body", [{"symbol": "XUSDT"}, {"symbol": "BTCUSDT", "open": True}, {}])
def test_change_of_a_listing_that_is_none_is_refused(body: dict[str, object]) -> None:
    exchange = opened()
    assert change(exchange, **body).status == 400
    assert (exchange.halted, exchange.delisted) == (set(), set())
