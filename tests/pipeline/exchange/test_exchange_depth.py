"""Depth streams and snapshots: a book kept by the venue's own procedure is the venue's book."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.exchange.faults import read_fault
from pipeline.exchange.replay import Replay
from pipeline.exchange.rest import Request, respond
from pipeline.exchange.streams import Stream, messages, parse_stream
from pipeline.exchange.venue import Exchange
from pipeline.exchange.weights import RequestWeights
from pipeline.market import SyntheticMarket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.exchange.trades import Trades

T0_US = 1_700_000_040_000_000
S = 1_000_000

#: Prices to sizes, as they are printed.
Levels = dict[str, str]


def depth(exchange: Exchange, symbol: str, limit: int = 5000) -> Any:  # noqa: ANN401 - JSON
    query = [("symbol", symbol), ("limit", str(limit))]
    return json.loads(
        respond(exchange, RequestWeights(), Request("depth", query, 1000, "a"), 0).body
    )


def told(exchange: Exchange, name: str, times_us: Sequence[int], unit_us: int = 1000) -> list[Any]:
    """Return what a stream says while the clock goes through some times."""
    stream = parse_stream(name, exchange.markets)
    assert stream is not None
    found: list[bytes] = []
    for time_us in times_us:
        found += messages(exchange, stream, exchange.advance(time_us), unit_us)
    return [json.loads(one) for one in found]


def keep(snapshot: dict[str, Any], events: list[dict[str, Any]]) -> tuple[Levels, Levels, int]:
    """Keep a book as the venue documents: bids, asks, and the last update in them."""
    bids, asks = dict(snapshot["bids"]), dict(snapshot["asks"])
    last = int(snapshot["lastUpdateId"])
    for event in events:
        if event["u"] <= last:
            continue
        assert event["U"] <= last + 1
        for levels, side in ((bids, event["b"]), (asks, event["a"])):
            for price, size in side:
                if float(size) == 0:
                    levels.pop(price, None)
                else:
                    levels[price] = size
        last = event["u"]
    return bids, asks, last


def market() -> Exchange:
    exchange = Exchange(
        SyntheticMarket(
            ["BTCUSDT", "PEPEUSDT"], seed=11, start_us=T0_US, trades_per_s=30.0, history_us=S
        )
    )
    exchange.lay_down_history()
    return exchange


@pytest.mark.parametrize("symbol", ["BTCUSDT", "PEPEUSDT"])
@pytest.mark.parametrize("name", ["depth", "depth@100ms", "depth@1000ms"])
def test_book_kept_from_any_snapshot_is_the_one_rest_serves(symbol: str, name: str) -> None:
    exchange = market()
    events: list[Any] = []
    snapshots: list[Any] = []
    for number in range(1, 100):
        events += told(exchange, f"{symbol.lower()}@{name}", [T0_US + number * 50_000])
        snapshots.append(depth(exchange, symbol))
    proven = 0
    for start, snapshot in enumerate(snapshots):
        for end in snapshots[start + 1 : start + 40]:
            news = [event for event in events if event["u"] <= newest_id(end)]
            bids, asks, last = keep(snapshot, news)
            if last == newest_id(end):
                assert (bids, asks) == (dict(end["bids"]), dict(end["asks"]))
                proven += 1
    assert proven > 100


def newest_id(snapshot: dict[str, Any]) -> int:
    return int(snapshot["lastUpdateId"])


def test_updates_follow_each_other_without_a_hole_and_start_on_either_side_of_a_snapshot() -> None:
    exchange = market()
    events, starts = [], set()
    for number in range(1, 400):
        last = newest_id(depth(exchange, "BTCUSDT"))
        new = told(exchange, "btcusdt@depth@100ms", [T0_US + number * 20_000])
        starts |= {last + 1 - event["U"] > 0 for event in new[:1] if event["u"] > last}
        events += new
    assert all(after["U"] == before["u"] + 1 for before, after in itertools.pairwise(events))
    assert starts == {True, False}  # U within what the snapshot has, and U = last + 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3 * S), min_size=1, max_size=30))
def test_depth_streams_do_not_depend_on_how_time_is_cut(pauses_us: list[int]) -> None:
    times_us = [T0_US + passed_us for passed_us in itertools.accumulate(pauses_us)]
    for name in ("btcusdt@depth@100ms", "btcusdt@depth10"):
        whole = told(market(), name, times_us[-1:])
        assert told(market(), name, times_us) == whole


def test_change_tells_its_time_and_only_levels_that_changed_at_some_update() -> None:
    exchange, slow = market(), market()
    before = depth(exchange, "BTCUSDT")
    (event,) = told(exchange, "btcusdt@depth", [T0_US + S])
    moments_us = range(T0_US, T0_US + S + 1, 500)
    books = [before] + [
        depth(slow, "BTCUSDT") for at in moments_us if "BTCUSDT" in slow.advance(at).issued
    ]
    after = books[-1]
    assert list(event) == ["e", "E", "s", "U", "u", "b", "a"]
    assert (event["e"], event["E"], event["s"]) == ("depthUpdate", T0_US // 1000 + 1000, "BTCUSDT")
    assert (event["U"], event["u"]) == (newest_id(before) + 1, newest_id(after))
    for side, name in (("bids", "b"), ("asks", "a")):
        changed = set()
        for old, new in itertools.pairwise(dict(book[side]) for book in books):
            changed |= {
                price for price in old.keys() | new.keys() if old.get(price) != new.get(price)
            }
        now = dict(after[side])
        assert dict(event[name]) == {price: now.get(price, "0.00000000") for price in changed}
        assert len(event[name]) == len(changed)
        assert changed - now.keys()  # some are gone
        assert len(changed) < len(now) / 2


def test_first_change_of_a_market_makes_its_whole_book_of_nothing(trades: Trades) -> None:
    exchange = Exchange(Replay({"ABCUSDT": trades}))
    nothing = depth(exchange, "ABCUSDT") | {"lastUpdateId": 100}
    (event,) = told(exchange, "abcusdt@depth@100ms", [T0_US + S // 5], unit_us=1)
    served = depth(exchange, "ABCUSDT")
    assert (event["U"], event["u"], event["E"]) == (101, 104, T0_US + S // 5)
    assert keep(nothing, [event]) == (dict(served["bids"]), dict(served["asks"]), 104)
    assert served["bids"][0][0] == "100.00000000"
    assert served["asks"][0][0] == "100.01000000"


@pytest.mark.parametrize("levels", [5, 10, 20])
def test_partial_depth_is_the_best_levels(levels: int) -> None:
    exchange = market()
    found = told(exchange, f"btcusdt@depth{levels}@100ms", [T0_US + S])
    served = depth(exchange, "BTCUSDT", levels)
    assert len(found) > 5
    assert found[-1] == served
    assert list(found[-1]) == ["lastUpdateId", "bids", "asks"]
    assert len(served["bids"]) == len(served["asks"]) == levels


def test_best_levels_are_those_of_the_book_ticker() -> None:
    exchange = market()
    (best,) = told(exchange, "btcusdt@bookTicker", [T0_US + S])
    served = depth(exchange, "BTCUSDT", 1)
    assert [[best["b"], best["B"]], [best["a"], best["A"]]] == [
        served["bids"][0],
        served["asks"][0],
    ]
    assert best["u"] == newest_id(served)


def test_depth_without_a_trade_says_nothing(trades: Trades) -> None:
    exchange = Exchange(Replay({"ABCUSDT": trades}))
    assert told(exchange, "abcusdt@depth", [T0_US + 50_000]) == []
    exchange.advance(T0_US + 5 * S)
    assert told(exchange, "abcusdt@depth", [T0_US + 30 * S]) == []


def test_skewed_clock_is_in_the_event_time_of_depth(issue: Callable[[int], Exchange]) -> None:
    exchange = issue(0)
    exchange.faults.switch_on(read_fault({"fault": "skew", "ms": 5000}, exchange.markets))
    (event,) = told(exchange, "abcusdt@depth", [T0_US + S])
    assert event["E"] == T0_US // 1000 + 1000 + 5000


@pytest.mark.parametrize(
    ("name", "every_us", "levels"),
    [
        ("depth", S, 0),
        ("depth@100ms", S // 10, 0),
        ("depth5", S, 5),
        ("depth20@100ms", S // 10, 20),
    ],
)
def test_depth_stream_is_read_into_its_parts(name: str, every_us: int, levels: int) -> None:
    expected = Stream(f"abcusdt@{name}", "ABCUSDT", "depth", every_us=every_us, levels=levels)
    assert parse_stream(f"abcusdt@{name}", {"ABCUSDT"}) == expected


@pytest.mark.parametrize("name", ["depth7", "depth@50ms", "depth5@", "depth@100ms@100ms", "Depth"])
def test_depth_stream_of_another_form_is_junk(name: str) -> None:
    assert parse_stream(f"abcusdt@{name}", {"ABCUSDT"}) is None
