"""A worker against a Kraken on loopback: numbered trades that REST finds by their time only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise

import polars as pl

from actors.rest import RestClient, fetch_trades, newest_trade
from actors.symbol import SymbolWorker
from pipeline.config import Config
from pipeline.orderbook import OrderBook
from pipeline.sharding import Shard
from pipeline.venues.registry import venue_for
from tests.actors.kraken_server import SYMBOL, KrakenServer, book_at, price_at
from tests.actors.test_worker_books import on_its_thread
from tests.waiting import wait_until
from tests.workers import Coordination, accounted


@contextmanager
def running(
    server: KrakenServer, **sections: object
) -> Iterator[tuple[SymbolWorker, Coordination]]:
    urls = {"websocket_url": f"ws://{server.url}", "rest_url": f"http://{server.url}"}
    venue = {"name": "kraken", **urls}
    config = Config.model_validate({"symbols": [SYMBOL], "venue": venue, **sections})
    coordination = Coordination(config)
    worker = SymbolWorker(Shard(SYMBOL, config.symbols), config, coordination.push)
    worker.start()
    try:
        yield worker, coordination
    finally:
        worker.stop()


def test_worker_goes_on_live_and_backfills_by_time_what_a_cut_connection_missed() -> None:
    with KrakenServer() as server, running(server) as (worker, seen):
        wait_until(lambda: seen.health(SYMBOL).get("live", 0) > 100, "live trades")  # type: ignore[operator]
        for _ in range(2):
            before = worker._feed.status().generation
            server.cut()
            wait_until(lambda: worker._feed.status().generation > before, "a new connection")  # noqa: B023
            wait_until(lambda: worker._feed.status().generation == worker._verified, "the check")
        wait_until(lambda: seen.health(SYMBOL)["pending"] == 0, "no holes")
    row = seen.health(SYMBOL)
    assert row["backfilled"] > 0  # type: ignore[operator]
    assert accounted(row)
    counts = ("lost", "duplicates", "late", "rejected", "incomplete_bars")
    assert {name: row[name] for name in counts} == dict.fromkeys(counts, 0)
    bars = seen.bars().filter(pl.col("trades") > 0)
    ids = list(bars.select("first_id", "last_id", "trades").iter_rows())
    assert all(last - first + 1 == trades for first, last, trades in ids)
    assert all(after[0] == before[1] + 1 for before, after in pairwise(ids))
    assert bars["close"].to_list() == [float(price_at(last)) for _, last, _ in ids]


def test_worker_of_a_market_that_went_quiet_closes_bars_between_heartbeats() -> None:
    with KrakenServer() as server, running(server) as (_, seen):
        wait_until(lambda: seen.health(SYMBOL).get("live", 0) > 10, "live trades")  # type: ignore[operator]
        server.quiet = True

        def quiet_bars() -> int:
            return seen.bars().filter(pl.col("trades") == 0).height

        wait_until(lambda: quiet_bars() >= 3, "bars without a trade")
    assert seen.health(SYMBOL)["late"] == 0


def shown(seen: Coordination) -> bool:
    return seen.health(SYMBOL).get("imbalance") is not None


def assert_book_is_one_of(server: KrakenServer, worker: SymbolWorker) -> None:
    """Compare all levels with what the server has had after any trade: it repeats after 140."""
    found: list[OrderBook] = []

    def look() -> None:
        assert worker._books is not None
        found.append(deepcopy(worker._books._books._current[SYMBOL].book))

    on_its_thread(worker, look)
    bids, asks = found[0].bids.best(99), found[0].asks.best(99)
    newest = range(server.last_id - 140, server.last_id + 1)
    mine = tuple({str(price): str(size) for price, size in side} for side in (bids, asks))
    assert mine in [book_at(trade_id, 25) for trade_id in newest]


def test_books_with_checksums_are_followed_and_made_anew_after_a_cut_and_a_broken_checksum() -> (
    None
):
    with KrakenServer() as server, running(server, books={"levels": 12}) as (worker, seen):
        wait_until(lambda: shown(seen), "the book")
        wait_until(lambda: seen.health(SYMBOL)["book_coalesced"] > 20, "changes")  # type: ignore[operator]
        assert_book_is_one_of(server, worker)
        assert seen.health(SYMBOL)["book_resyncs"] == 0
        row = seen.health(SYMBOL)
        assert row["ask"] - row["bid"] == 2.0  # type: ignore[operator]

        # More than come between two looks: of those only the last is compared.
        server.broken_sums = 20
        wait_until(lambda: seen.health(SYMBOL)["book_resyncs"] > 0, "a mismatch")  # type: ignore[operator]
        wait_until(lambda: server.broken_sums == 0 and shown(seen), "another snapshot")
        assert_book_is_one_of(server, worker)
        assert server.book_requests[:3] == ["subscribe", "unsubscribe", "subscribe"]

        before = seen.health(SYMBOL)["book_resyncs"]
        server.cut()
        wait_until(lambda: seen.health(SYMBOL)["book_resyncs"] > before, "a lost book")  # type: ignore[operator]
        wait_until(lambda: shown(seen), "the book of the new connection")
        assert_book_is_one_of(server, worker)
        wait_until(lambda: seen.health(SYMBOL)["pending"] == 0, "no holes")
    assert accounted(seen.health(SYMBOL))
    assert seen.health(SYMBOL)["rejected"] == 0


def test_fetch_trades_by_time_gives_exactly_the_ids_asked_for() -> None:
    with KrakenServer(rate_per_s=1_000.0, history_s=5.0, quiet=True) as server:
        venue = venue_for(
            "kraken", websocket_url=f"ws://{server.url}", rest_url=f"http://{server.url}"
        )
        rest = RestClient()
        newest = newest_trade(venue, rest, SYMBOL)
        start_us = server.times_ns[99] // 1_000  # of trade 100, cut down
        trades = fetch_trades(venue, rest, SYMBOL, from_id=101, to_id=3_500, start_us=start_us)

        assert newest["trade_id"].to_list() == [server.last_id]
        assert trades["trade_id"].to_list() == list(range(101, 3_501))
        assert len(server.asked) == 5
