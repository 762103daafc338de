from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline.durations import MINUTE, SECOND
from pipeline.exchange.rest import Request, Response, respond
from pipeline.exchange.weights import RequestWeights

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.exchange.venue import Exchange

T0_MS = 1_700_000_040_000
SYMBOL = ("symbol", "ABCUSDT")


def ask(
    exchange: Exchange, endpoint: str, *query: tuple[str, object], unit_us: int = 1000
) -> Response:
    sent = [(name, str(value)) for name, value in query]
    request = Request(endpoint, sent, unit_us, "127.0.0.1")
    return respond(exchange, RequestWeights(), request, 0)


def ids(exchange: Exchange, *query: tuple[str, object]) -> list[int]:
    return [row["a"] for row in json.loads(ask(exchange, "aggTrades", SYMBOL, *query).body)]


def test_ping_and_time_answer_as_documented(issue: Callable[[int], Exchange]) -> None:
    assert ask(issue(3), "ping").body == b"{}"
    assert ask(issue(3), "time").body == b'{"serverTime":1700000043000}'
    assert ask(issue(3), "time", unit_us=1).body == b'{"serverTime":1700000043000000}'


def test_agg_trades_are_byte_for_byte_as_documented(issue: Callable[[int], Exchange]) -> None:
    assert ask(issue(3), "aggTrades", SYMBOL, ("fromId", 13)).body == (
        b'[{"a":13,"p":"99.99000000","q":"0.00200000","f":105,"l":105,'
        b'"T":1700000042500,"m":true,"M":true}]'
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([], [11, 12, 13, 14]),
        ([("limit", 2)], [13, 14]),
        ([("fromId", 12), ("limit", 2)], [12, 13]),
        ([("fromId", 0), ("limit", 1)], [11]),
        ([("fromId", 99)], []),
        ([("startTime", T0_MS + 2500), ("limit", 1)], [13]),
        ([("startTime", T0_MS + 100), ("endTime", T0_MS + 100)], [11, 12]),
        ([("endTime", T0_MS + 2500), ("limit", 1)], [13]),
        ([("startTime", T0_MS * 1000 + 100_400), ("endTime", T0_MS * 1000 + 100_400)], [12]),
    ],
)
def test_agg_trades_select_by_id_and_time(
    issue: Callable[[int], Exchange], query: list[tuple[str, object]], expected: list[int]
) -> None:
    assert ids(issue(62), *query) == expected


def test_agg_trades_not_yet_issued_are_not_served(issue: Callable[[int], Exchange]) -> None:
    assert ids(issue(3)) == [11, 12, 13]
    assert ids(issue(0)) == []


def test_trades_are_fills(issue: Callable[[int], Exchange]) -> None:
    assert ask(issue(1), "trades", SYMBOL, ("limit", 1)).body == (
        b'[{"id":104,"price":"100.01000000","qty":"0.50000000","quoteQty":"50.00500000",'
        b'"time":1700000040100,"isBuyerMaker":false,"isBestMatch":true}]'
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([], [0, 1]),
        ([("limit", 1)], [1]),
        ([("startTime", T0_MS), ("limit", 1)], [0]),
        ([("startTime", T0_MS + 1)], [1]),
        ([("endTime", T0_MS + 59_999)], [0]),
        ([("timeZone", "0"), ("startTime", T0_MS + 999_999)], []),
    ],
)
def test_klines_select_by_open_time(
    issue: Callable[[int], Exchange], query: list[tuple[str, object]], expected: list[int]
) -> None:
    found = json.loads(ask(issue(62), "klines", SYMBOL, ("interval", "1m"), *query).body)
    assert [row[0] for row in found] == [T0_MS + 60_000 * minute for minute in expected]


def test_exchange_info_has_the_tick_size_first(issue: Callable[[int], Exchange]) -> None:
    found = json.loads(ask(issue(1), "exchangeInfo", ("symbols", '["ABCUSDT"]')).body)

    (listed,) = found["symbols"]
    assert listed["filters"][0]["filterType"] == "PRICE_FILTER"
    assert listed["filters"][0]["tickSize"] == "0.01000000"
    assert listed["filters"][1]["stepSize"] == "0.00200000"  # the largest step that fits
    assert (listed["status"], listed["baseAsset"], listed["quoteAsset"]) == (
        "TRADING",
        "ABC",
        "USDT",
    )


def test_depth_is_ordered_and_leaves_the_spread_open(issue: Callable[[int], Exchange]) -> None:
    found = json.loads(ask(issue(3), "depth", SYMBOL, ("limit", 3)).body)

    assert found["lastUpdateId"] == 105
    bids, asks = ([float(price) for price, _ in found[side]] for side in ("bids", "asks"))
    assert found["bids"][0][0] == "99.99000000"
    assert found["asks"][0][0] == "100.00000000"
    assert len(bids) == len(asks) == 3
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert all(float(size) > 0 for _, size in found["bids"] + found["asks"])


def test_tickers_answer_one_symbol_or_a_list(issue: Callable[[int], Exchange]) -> None:
    assert ask(issue(3), "ticker/price", SYMBOL).body == (
        b'{"symbol":"ABCUSDT","price":"99.99000000"}'
    )
    assert ask(issue(3), "ticker/price").body == b'[{"symbol":"ABCUSDT","price":"99.99000000"}]'
    book = json.loads(ask(issue(3), "ticker/bookTicker", SYMBOL).body)
    assert (book["bidPrice"], book["askPrice"]) == ("99.99000000", "100.00000000")


def test_day_ticker_has_every_field_and_mini_has_fewer(issue: Callable[[int], Exchange]) -> None:
    full = json.loads(ask(issue(3), "ticker/24hr", SYMBOL).body)
    mini = json.loads(ask(issue(3), "ticker/24hr", SYMBOL, ("type", "MINI")).body)

    assert full["priceChangePercent"] == "-0.010"
    assert full["weightedAvgPrice"] == "100.00598721"
    assert (full["firstId"], full["lastId"], full["count"]) == (101, 105, 5)
    assert mini.items() <= full.items()
    assert len(mini) == 12
    assert len(full) == 21


def test_tickers_before_the_first_trade_are_zero(issue: Callable[[int], Exchange]) -> None:
    full = json.loads(ask(issue(0), "ticker/24hr", SYMBOL).body)
    assert (full["lastPrice"], full["bidPrice"], full["firstId"]) == (
        "0.00000000",
        "0.00000000",
        -1,
    )
    assert ask(issue(0), "ticker/price", SYMBOL).body == (
        b'{"symbol":"ABCUSDT","price":"0.00000000"}'
    )
    assert json.loads(ask(issue(0), "depth", SYMBOL).body)["bids"] == []


@pytest.mark.parametrize(
    ("endpoint", "query", "code"),
    [
        ("aggTrades", [], -1102),
        ("aggTrades", [("symbol", "")], -1105),
        ("aggTrades", [("symbol", "NOPE")], -1121),
        ("aggTrades", [SYMBOL, ("limit", "x")], -1100),
        ("aggTrades", [SYMBOL, ("limit", "0")], -1130),
        ("aggTrades", [SYMBOL, ("limit", "1001")], -1130),
        ("aggTrades", [SYMBOL, ("fromId", "99999999999999999999")], -1130),
        ("aggTrades", [SYMBOL, SYMBOL], -1101),
        ("aggTrades", [SYMBOL, ("color", "red")], -1104),
        ("aggTrades", [SYMBOL, ("fromId", "1"), ("startTime", "1")], -1128),
        ("klines", [SYMBOL], -1102),
        ("klines", [SYMBOL, ("interval", "7m")], -1120),
        ("klines", [SYMBOL, ("interval", "1m"), ("timeZone", "+08:00")], -1130),
        ("exchangeInfo", [("symbols", "ABCUSDT")], -1100),
        ("exchangeInfo", [("symbols", '["NOPE"]')], -1121),
        ("exchangeInfo", [SYMBOL, ("symbols", '["ABCUSDT"]')], -1128),
        ("depth", [SYMBOL, ("limit", "0")], -1130),
        ("ticker/24hr", [SYMBOL, ("type", "SMALL")], -1130),
    ],
)
def test_bad_requests_get_the_code_of_the_venue(
    issue: Callable[[int], Exchange], endpoint: str, query: list[tuple[str, object]], code: int
) -> None:
    response = ask(issue(3), endpoint, *query)

    assert response.status == 400
    found = json.loads(response.body)
    assert set(found) == {"code", "msg"}
    assert found["code"] == code


def test_unknown_path_is_not_found(issue: Callable[[int], Exchange]) -> None:
    assert ask(issue(3), "account").status == 404


@pytest.mark.parametrize(
    ("endpoint", "query", "weight"),
    [
        ("ping", [], 1),
        ("exchangeInfo", [], 20),
        ("aggTrades", [SYMBOL], 4),
        ("trades", [SYMBOL], 25),
        ("klines", [SYMBOL, ("interval", "1s")], 2),
        ("depth", [SYMBOL], 5),
        ("depth", [SYMBOL, ("limit", 101)], 25),
        ("depth", [SYMBOL, ("limit", 1000)], 50),
        ("depth", [SYMBOL, ("limit", 9999)], 250),
        ("ticker/24hr", [SYMBOL], 2),
        ("ticker/24hr", [("symbols", json.dumps(["ABCUSDT"] * 21))], 40),
        ("ticker/24hr", [], 80),
        ("ticker/price", [SYMBOL], 2),
        ("ticker/bookTicker", [], 4),
    ],
)
def test_requests_cost_what_the_venue_charges(
    issue: Callable[[int], Exchange], endpoint: str, query: list[tuple[str, object]], weight: int
) -> None:
    response = ask(issue(3), endpoint, *query)

    assert response.status == 200
    assert response.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def test_weights_over_the_limit_are_refused_until_the_next_minute(
    issue: Callable[[int], Exchange],
) -> None:
    exchange, weights, request = issue(3), RequestWeights(), Request("ping", [], 1000, "a")
    weights.spend("a", 5999, 10 * SECOND)

    answers = [respond(exchange, weights, request, 10 * SECOND + SECOND // 2) for _ in range(2)]
    other = respond(exchange, weights, Request("ping", [], 1000, "b"), 10 * SECOND)
    later = respond(exchange, weights, request, MINUTE)

    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].headers == {"X-MBX-USED-WEIGHT-1M": "6001", "Retry-After": "50"}
    assert json.loads(answers[1].body)["code"] == -1003
    assert (other.status, later.status) == (200, 200)
    assert later.headers["X-MBX-USED-WEIGHT-1M"] == "1"
