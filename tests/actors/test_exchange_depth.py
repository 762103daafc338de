"""The venue's procedure for a local order book, carried out over real sockets."""

from __future__ import annotations

import json
import time
from typing import Any

import websocket

from pipeline.orderbook import NumberedBook, Outcome
from pipeline.venues.binance_book import parse_change, parse_depth
from tests.actors.test_exchange_server import connected, get, market, serving
from tests.pipeline.exchange.test_exchange_depth import keep
from tests.waiting import DEADLINE_S

SNAPSHOT = "/api/v3/depth?symbol=BTCUSDT&limit=500"  # the whole book, and cheap enough to repeat


def start(client: websocket.WebSocket, port: int) -> tuple[Any, list[Any]]:
    """Buffer events, fetch a snapshot, and read up to the event that it is continued by."""
    events = [json.loads(client.recv())]
    snapshot = get(port, SNAPSHOT)
    while snapshot["lastUpdateId"] < events[0]["U"]:
        snapshot = get(port, SNAPSHOT)
    while events[-1]["u"] <= snapshot["lastUpdateId"]:
        events.append(json.loads(client.recv()))
    return snapshot, events


def test_local_book_becomes_the_one_rest_serves_whichever_way_it_starts() -> None:
    starts, deadline_s = set(), time.monotonic() + DEADLINE_S
    with (
        serving(market(60.0)) as port,
        connected(port, "/ws/btcusdt@depth@100ms") as client,
    ):
        while starts != {"within the update", "next update"}:
            assert time.monotonic() < deadline_s, starts
            snapshot, events = start(client, port)
            last = snapshot["lastUpdateId"]
            first = next(event for event in events if event["u"] > last)
            starts.add("within the update" if first["U"] <= last else "next update")
            served = None
            while served is None or served["lastUpdateId"] != events[-1]["u"]:
                assert time.monotonic() < deadline_s, "the book and REST were never at one update"
                served = get(port, SNAPSHOT)
                while events[-1]["u"] < served["lastUpdateId"]:
                    events.append(json.loads(client.recv()))
            assert keep(snapshot, events)[:2] == (dict(served["bids"]), dict(served["asks"]))


def test_book_of_the_pipeline_follows_the_exchange_without_a_gap() -> None:
    book = NumberedBook()
    with (
        serving(market(200.0)) as port,
        connected(port, "/stream?streams=btcusdt@depth@100ms") as client,
    ):
        changes = [parse_change(client.recv().encode())]
        snapshot = parse_depth(json.dumps(get(port, SNAPSHOT)).encode(), "BTCUSDT")
        changes += [parse_change(client.recv().encode()) for _ in range(30)]
    outcomes = [book.apply(event) for event in (changes[0], snapshot, *changes[1:])]  # type: ignore[arg-type]
    assert outcomes[0] is Outcome.KEPT
    assert Outcome.GAP not in outcomes
    assert outcomes[-20:] == [Outcome.APPLIED] * 20
    assert book.bids.best(1)[0][0] < book.asks.best(1)[0][0]
