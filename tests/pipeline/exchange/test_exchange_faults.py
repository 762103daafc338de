from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.exchange import admin, rest
from pipeline.exchange.faults import PARAMETERS, FaultError, Faults, read_fault
from pipeline.exchange.ledger import Issued
from pipeline.exchange.trades import Trades
from pipeline.exchange.venue import Exchange
from pipeline.exchange.weights import RequestWeights
from pipeline.market import SyntheticMarket

START_US = 1_700_000_000_000_000
S = 1_000_000
SYMBOLS = {"BTCUSDT", "ETHUSDT"}


def issued(first_id: int, count: int) -> Issued:
    ids = np.arange(first_id, first_id + count)
    flat = np.full(count, 100)
    return Issued.of(Trades(np.array([ids, ids, ids, START_US + ids * S, flat, flat, flat * 0])))


def ids(told: Issued | None) -> list[int]:
    return [] if told is None else told.trades.trade_id.tolist()


def with_fault(**body: object) -> Faults:
    faults = Faults()
    faults.switch_on(read_fault(body, SYMBOLS))
    return faults


def exchange() -> Exchange:
    market = SyntheticMarket(
        sorted(SYMBOLS), seed=3, start_us=START_US, trades_per_s=200.0, history_us=0
    )
    return Exchange(market)


def served(at: Exchange, query: str, now_us: int = 0) -> rest.Response:
    endpoint, _, parameters = query.partition("?")
    pairs = [tuple(part.split("=")) for part in parameters.split("&") if part]
    request = rest.Request(endpoint, pairs, 1000, "here")  # type: ignore[arg-type]  # pairs
    return rest.respond(at, RequestWeights(), request, now_us)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "expected an object with a fault, found []"),
        ({"fault": "fire"}, "fault: expected one of abort, close"),
        ({"fault": "skip"}, "count: expected 1 to 1000000, found None"),
        ({"fault": "skip", "count": True}, "count: expected 1 to 1000000, found True"),
        ({"fault": "skip", "count": 0}, "count: expected 1 to 1000000, found 0"),
        ({"fault": "abort", "symbol": "XUSDT"}, "symbol: expected one that is listed"),
        ({"fault": "abort", "count": 1}, "abort: expected no parameters, found count"),
        ({"fault": "close", "ms": 1}, "close: expected code, found ms"),
    ],
)
def test_read_fault_of_a_bad_request_says_what_was_expected(body: object, expected: str) -> None:
    with pytest.raises(FaultError) as raised:
        read_fault(body, SYMBOLS)
    assert expected in str(raised.value)


def test_read_fault_knows_the_documented_names() -> None:
    assert list(PARAMETERS) == [
        "abort", "close", "half_open", "no_ping", "server_shutdown", "skip", "lose", "duplicate",
        "reorder", "skew", "slow", "rest_status", "rest_lag", "truncate", "silent",
    ]  # fmt: skip


def test_skipped_trades_are_not_streamed_and_are_served() -> None:
    faults = with_fault(fault="skip", count=3)
    assert ids(faults.on_streams("BTCUSDT", issued(10, 2))) == []
    assert ids(faults.on_streams("BTCUSDT", issued(12, 2))) == [13]
    assert ids(faults.on_streams("ETHUSDT", issued(90, 4))) == [93]
    assert len(faults.on_rest("BTCUSDT", issued(10, 4).trades, START_US + 99 * S)) == 4
    assert faults.entry()["skipped"] == {"BTCUSDT": [(10, 12)], "ETHUSDT": [(90, 92)]}
    assert faults.entry()["lost"] == {}


def test_lost_trades_are_served_nowhere_even_after_all_is_cleared() -> None:
    faults = with_fault(fault="lose", count=2, symbol="BTCUSDT")
    assert ids(faults.on_streams("BTCUSDT", issued(10, 5))) == [12, 13, 14]
    assert ids(faults.on_streams("ETHUSDT", issued(90, 2))) == [90, 91]
    faults.clear()
    left = faults.on_rest("BTCUSDT", issued(9, 6).trades, START_US + 99 * S)
    assert left.trade_id.tolist() == [9, 12, 13, 14]
    assert faults.entry()["lost"] == {"BTCUSDT": [(10, 11)]}


def test_messages_are_duplicated_swapped_and_cut_as_often_as_asked() -> None:
    found = [b"aaaa", b"bbbb", b"cccc"]
    twice = with_fault(fault="duplicate", count=2)
    assert twice.on_messages("BTCUSDT", "s", found) == [b"aaaa"] * 2 + [b"bbbb"] * 2 + [b"cccc"]
    assert twice.on_messages("BTCUSDT", "s", found) == found
    swapped = with_fault(fault="reorder", count=5)
    assert swapped.on_messages("BTCUSDT", "s", found) == [b"bbbb", b"aaaa", b"cccc"]
    cut = with_fault(fault="truncate", count=1, symbol="ETHUSDT")
    assert cut.on_messages("BTCUSDT", "s", found) == found
    assert cut.on_messages("ETHUSDT", "s", found) == [b"aa", b"bbbb", b"cccc"]
    assert (twice.done["duplicated"], swapped.done["reordered"], cut.done["truncated"]) == (2, 1, 1)


def test_rest_that_lags_serves_no_trade_younger_than_that() -> None:
    at = exchange()
    at.advance(START_US + 10 * S)
    newest = json.loads(served(at, "aggTrades?symbol=BTCUSDT&limit=1").body)[0]
    at.faults.switch_on(read_fault({"fault": "rest_lag", "ms": 3000}, SYMBOLS))
    lagging = json.loads(served(at, "aggTrades?symbol=BTCUSDT&limit=1").body)[0]
    assert newest["T"] > START_US // 1000 + 9_900
    assert START_US // 1000 + 6_800 < lagging["T"] < START_US // 1000 + 7_000


def test_rest_status_takes_the_place_of_so_many_answers() -> None:
    at = exchange()
    body = b'{"fault":"rest_status","status":418,"retry_after_s":7,"count":2}'
    response, fault = admin.switch_on(at, body)
    assert (response.status, fault is not None) == (200, True)
    answers = [served(at, "time") for _ in range(3)]
    assert [one.status for one in answers] == [418, 418, 200]
    assert answers[0].headers["Retry-After"] == "7"


def test_skewed_clock_is_ahead_while_trades_keep_their_times() -> None:
    at = exchange()
    at.faults.switch_on(read_fault({"fault": "skew", "ms": 5000}, SYMBOLS))
    at.advance(START_US + S)
    assert json.loads(served(at, "time").body) == {"serverTime": START_US // 1000 + 6_000}
    trade = json.loads(served(at, "aggTrades?symbol=BTCUSDT&limit=1").body)[0]
    assert trade["T"] < START_US // 1000 + 1_000


def test_switch_on_of_what_is_no_json_is_refused() -> None:
    response, fault = admin.switch_on(exchange(), b"{")
    assert (response.status, fault) == (400, None)
