"""Connections that end, fall silent or lose a stream, under a worker that must lose nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actors.exchange.connection import Connection
from actors.exchange.server import ExchangeServer
from actors.symbol import SymbolWorker
from pipeline.exchange.wire import frame
from tests.waiting import wait_until
from tests.workers import Coordination, accounted, market, running

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
SHUTDOWN = b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1700000000000}}'


class Venue:
    """Gets at the exchange's ends of the connections."""

    def __init__(self, server: ExchangeServer) -> None:
        self.server = server

    def connections(self) -> list[Connection]:
        return list(self.server._sockets.connections)

    def on_its_thread(self, action: Callable[[], None]) -> None:
        tick = self.server._tick

        def once() -> None:
            self.server._tick = tick  # type: ignore[method-assign]
            action()
            tick()

        self.server._tick = once  # type: ignore[method-assign]

    def mute(self, connection: Connection, hushed: bytes = b"") -> None:
        """Send nothing any more that holds some bytes, as if it went lost."""
        send = connection.send
        connection.send = lambda frames: None if hushed in frames else send(frames)  # type: ignore[method-assign]


@contextmanager
def live(**actors: object) -> Iterator[tuple[SymbolWorker, Coordination, Venue]]:
    source = market(SYMBOLS, trades_per_s=200.0)
    with running(source, SYMBOLS, actors=actors) as (worker, seen, server):
        wait_until(lambda: all(count(seen, symbol, "live") > 250 for symbol in SYMBOLS), "trades")
        yield worker, seen, Venue(server)
        wait_until(
            lambda: all(count(seen, symbol, "pending") == 0 for symbol in SYMBOLS), "no hole"
        )


def count(seen: Coordination, symbol: str, name: str) -> int:
    found = seen.health(symbol).get(name, 0)
    assert isinstance(found, int)
    return found


def nothing_lost(seen: Coordination) -> bool:
    rows = [seen.health(symbol) for symbol in SYMBOLS]
    return all(accounted(row) and row["lost"] == row["incomplete_bars"] == 0 for row in rows)


def test_connections_that_are_replaced_in_time_miss_no_trade_and_stop_no_clock() -> None:
    stopped = 0
    with live(connection_life="4s") as (worker, seen, _):
        clock_us = worker._clock_us()

        def handed_over() -> bool:
            nonlocal stopped
            stopped += worker._clock_us() is None
            return worker._feed.status().handovers >= 3

        wait_until(handed_over, "three handovers")
        assert clock_us is not None
        status = worker._feed.status()
        assert (status.generation, status.reconnects) == (1, 0)
    assert stopped == 0
    for symbol in SYMBOLS:
        row = seen.health(symbol)
        assert row["duplicates"] > 0  # type: ignore[operator]  # both connections told them
        assert (row["pending"], row["late"], row["reconnects"]) == (0, 0, 0)
        # What came before the first connection was the start.
        assert row["backfilled"] < 1000  # type: ignore[operator]
    assert nothing_lost(seen)


def test_connection_whose_end_is_announced_is_replaced_before_it_ends() -> None:
    with live() as (worker, seen, venue):
        (old,) = venue.connections()
        backfilled = count(seen, "BTCUSDT", "backfilled")
        venue.on_its_thread(lambda: old.send(frame(SHUTDOWN)))
        wait_until(lambda: worker._feed.status().handovers == 1, "a handover")
        assert worker._feed.status().generation == 1
        wait_until(lambda: old not in venue.connections(), "the end of the old one")
        live_now = count(seen, "BTCUSDT", "live")
        wait_until(lambda: count(seen, "BTCUSDT", "live") > live_now + 200, "trades again")
        assert count(seen, "BTCUSDT", "backfilled") == backfilled
    assert nothing_lost(seen)


def test_connection_that_is_half_open_is_found_in_three_seconds_and_what_it_lost_is_fetched() -> (
    None
):
    with live() as (worker, seen, venue):
        (old,) = venue.connections()
        venue.on_its_thread(lambda: venue.mute(old))
        began_s = time.monotonic()
        wait_until(lambda: worker._feed.status().generation == 2, "another connection")
        found_s = time.monotonic() - began_s
        assert worker._feed.status().last_error is not None
        assert "which is not usual" in str(worker._feed.status().last_error)
        live_now = count(seen, "BTCUSDT", "live")
        wait_until(lambda: count(seen, "BTCUSDT", "live") > live_now + 200, "trades again")
    assert found_s < 3.5
    assert count(seen, "BTCUSDT", "backfilled") > 0
    assert nothing_lost(seen)


def test_stream_that_the_venue_has_forgotten_is_subscribed_again() -> None:
    with live() as (worker, seen, venue):
        (connection,) = venue.connections()

        def forget() -> None:
            del connection.session.streams["ethusdt@aggTrade"]
            venue.server._sockets.index_readers()

        venue.on_its_thread(forget)
        wait_until(lambda: "ethusdt@aggTrade" not in connection.session.streams, "it forgot")
        wait_until(lambda: "ethusdt@aggTrade" in connection.session.streams, "it is asked again")
        live_now = count(seen, "ETHUSDT", "live")
        wait_until(lambda: count(seen, "ETHUSDT", "live") > live_now + 100, "trades again")
        assert worker._feed.status().generation == 1
    assert nothing_lost(seen)


def test_stream_that_is_acknowledged_and_stays_silent_gets_a_fresh_connection() -> None:
    with live() as (worker, seen, venue):
        (old,) = venue.connections()
        venue.on_its_thread(lambda: venue.mute(old, b'"s":"ETHUSDT"'))
        wait_until(lambda: worker._feed.status().handovers == 1, "a fresh connection")
        assert worker._feed.status().generation == 1
        live_now = count(seen, "ETHUSDT", "live")
        wait_until(lambda: count(seen, "ETHUSDT", "live") > live_now + 100, "trades again")
    assert count(seen, "ETHUSDT", "backfilled") > 0
    assert nothing_lost(seen)
