"""What a worker computes, and what it makes good, against the real exchange on loopback."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from actors.symbol import WorkerStatus
from pipeline.exchange.replay import open_replay
from tests.actors.test_exchange_server import get
from tests.actors.test_exchange_switchboard import switch
from tests.recorded import DATA, needs_recordings
from tests.waiting import wait_until
from tests.workers import accounted, market, running

TICKS = DATA / "ticks-freqtrade"


def test_worker_of_two_symbols_is_warm_at_once_and_goes_on_live() -> None:
    symbols = ["BTCUSDT", "ETHUSDT"]
    with running(market(symbols), symbols) as (worker, seen, _):

        def warm() -> bool:
            with seen.lock:
                samples = seen.collector.snapshot(0, 0).samples
            newest = samples.group_by("symbol").last()
            return newest.height == 2 and newest["volatility"].null_count() == 0

        wait_until(warm, "warm numbers of both symbols")
        wait_until(lambda: all(seen.health(s).get("bars", 0) >= 3 for s in symbols), "live bars")  # type: ignore[operator]
        assert worker.status() == WorkerStatus(started=True, dead=())
    for symbol in symbols:
        row = seen.health(symbol)
        assert accounted(row)
        for count in ("pending", "lost", "late", "duplicates", "incomplete_bars"):
            assert row[count] == 0
        steps = seen.bars().filter(pl.col("symbol") == symbol)["open_time"].diff().drop_nulls()
        # History and live bars join without a seam.
        assert steps.dt.total_microseconds().unique().to_list() == [1_000_000]
        assert seen.bars().filter(pl.col("symbol") == symbol).height > 3600


def test_worker_whose_connection_is_cut_backfills_what_it_missed() -> None:
    with running(market(["BTCUSDT"], trades_per_s=500.0), ["BTCUSDT"]) as (worker, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("live", 0) > 200, "live trades")  # type: ignore[operator]
        for _ in range(3):
            before = worker._feed.status().generation
            current = worker._feed.status().current
            assert current is not None
            worker._feed.reconnect(current.line, "cut by the test")
            wait_until(lambda: worker._feed.status().generation > before, "a new connection")  # noqa: B023
            wait_until(lambda: worker._feed.status().generation == worker._verified, "the check")
        live = seen.health("BTCUSDT")["live"]
        # Health that was told after the last check.
        wait_until(lambda: seen.health("BTCUSDT")["live"] > live, "trades of the new connection")  # type: ignore[operator]
        wait_until(lambda: accounted(seen.health("BTCUSDT")), "no holes")
        row = seen.health("BTCUSDT")
    assert row["reconnects"] == 3
    assert row["backfilled"] > 0  # type: ignore[operator]
    assert (row["lost"], row["late"], row["incomplete_bars"]) == (0, 0, 0)


def test_worker_whose_buffer_overflows_backfills_what_it_dropped() -> None:
    small = {"max_buffered_trades": 1000, "flush": "1s"}
    source = market(["BTCUSDT"], trades_per_s=2000.0)
    with running(source, ["BTCUSDT"], actors=small) as (worker, seen, _):
        wait_until(lambda: worker._buffer.dropped > 1000, "dropped messages")
        wait_until(lambda: seen.health("BTCUSDT").get("backfilled", 0) > 1000, "their backfill")  # type: ignore[operator]
    row = seen.health("BTCUSDT")
    assert row["lost"] == 0
    assert row["dropped"] == worker._buffer.dropped
    assert row["live"] + row["backfilled"] + row["pending"] == row["last_id"] - row["first_id"] + 1  # type: ignore[operator]


def test_worker_tells_at_once_what_has_become_of_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No trade, no bar and no time of day makes it report.
    monkeypatch.setattr("actors.reporting._REPORT_S", 1e9)
    slow = {"sampling": {"every": "10m"}, "features": ["realized_vol_10h"]}
    source = market(["BTCUSDT"], own_rates={"BTCUSDT": 1e-9})
    with running(source, ["BTCUSDT"], **slow) as (worker, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("condition") == "waiting", "a connection")
        current = worker._feed.status().current
        assert current is not None
        worker._feed.reconnect(current.line, "cut by the test")
        wait_until(lambda: seen.health("BTCUSDT")["reconnects"] == 1, "news of another")


def test_worker_reports_exactly_the_ids_that_the_exchange_serves_nowhere() -> None:
    few = {"max_held_trades": 1000}  # two seconds of them: then the hole is lost
    source = market(["BTCUSDT"], trades_per_s=500.0)
    with running(source, ["BTCUSDT"], actors=few) as (worker, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("live", 0) > 200, "live trades")  # type: ignore[operator]
        port = int(worker._config.venue.rest_url.rpartition(":")[2])
        switch(port, fault="lose", count=7)
        wait_until(lambda: seen.health("BTCUSDT")["lost"], "lost ids")
        lost = get(port, "/admin/faults")["lost"]
    with seen.lock:
        row = seen.collector.report(0, {})["symbols"]["BTCUSDT"]
    assert row["lost_ranges"] == lost["BTCUSDT"]
    assert (row["lost"], row["lost_untold"]) == (7, 0)


def test_worker_without_its_coordinator_keeps_every_frame() -> None:
    with running(market(["BTCUSDT"]), ["BTCUSDT"]) as (_, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("bars", 0) > 0, "a first bar")  # type: ignore[operator]
        seen.reachable = False
        wait_until(lambda: seen.refused >= 3, "refused pushes")
        seen.reachable = True
        bars = seen.health("BTCUSDT")["bars"]
        wait_until(lambda: seen.health("BTCUSDT")["bars"] > bars, "bars again")  # type: ignore[operator]
    steps = seen.bars()["open_time"].diff().drop_nulls().dt.total_microseconds()
    assert steps.unique().to_list() == [1_000_000]


def test_worker_that_is_stopped_without_its_coordinator_computes_what_it_has_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.symbol._OUTBOX_FRAMES", 4)
    with running(market(["BTCUSDT"], trades_per_s=500.0), ["BTCUSDT"]) as (worker, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("live", 0) > 0, "live trades")  # type: ignore[operator]
        seen.reachable = False
        wait_until(lambda: worker._delivery.full, "a full outbox")
        told = worker._engine.progress()["BTCUSDT"].last_id
        assert told is not None
        buffer = worker._buffer
        wait_until(lambda: buffer._max_frames - buffer._room >= 1_000, "messages that wait")
        # It says that they were not told, and has them for whoever would still ask.
        assert worker.stop(timeout_s=1.0) is False
        last = worker._engine.progress()["BTCUSDT"].last_id
        assert last is not None
        assert last > told + 500


def test_worker_digest_equals_the_exchange_ledger() -> None:
    source = market(["BTCUSDT"], trades_per_s=1000.0)
    with running(source, ["BTCUSDT"], actors={"digest": True}) as (worker, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("live", 0) > 2000, "live trades")  # type: ignore[operator]
        worker.stop()
        row = seen.health("BTCUSDT")
        from actors.rest import RestClient  # noqa: PLC0415 - only here
        from pipeline.venues.protocol import Request  # noqa: PLC0415

        ids = f"symbol=BTCUSDT&first_id={row['first_id']}&last_id={row['last_id']}"
        url = f"{worker._config.venue.rest_url}/admin/ledger?{ids}"
        issued = RestClient().get(Request(url, 1))
    assert str(row["sha256"]) in issued.decode()


@needs_recordings
def test_worker_of_recorded_trades_makes_the_bars_the_venue_made_itself() -> None:
    replay = open_replay([f"XRPETH={TICKS / 'XRP_OLD-trades.json.gz'}"])
    with running(replay, ["XRPETH"], speed=50_000.0) as (_, seen, _):
        wait_until(lambda: seen.health("XRPETH").get("last_id") == 13_532_283, "the last trade")
        # The venue's clock goes on after the tape: it closes the last bars.
        end = datetime(2019, 10, 13, 11, 20, tzinfo=UTC)
        wait_until(lambda: seen.bars()["open_time"].max() >= end, "the last minute's end")  # type: ignore[operator]
    row = seen.health("XRPETH")
    assert (row["first_id"], row["live"] + row["backfilled"]) == (13_519_807, 12_477)  # type: ignore[operator]
    assert (row["pending"], row["lost"], row["late"], row["rejected"]) == (0, 0, 0, 0)
    minutes = (
        seen.bars()
        .filter(pl.col("trades") > 0)
        .group_by(pl.col("open_time").dt.truncate("1m").alias("date"))
        .agg(pl.col("close").last(), pl.col("high").max(), pl.col("volume").sum())
    )
    klines = pl.read_ipc(TICKS / "XRP_ETH-1m.feather")
    both = klines.with_columns(pl.col("date").dt.cast_time_unit("us")).join(minutes, on="date")
    assert both.height == 2469
    assert both.filter(pl.col("close") != pl.col("close_right")).height == 0
    assert both.filter(pl.col("high") != pl.col("high_right")).height == 0
    assert both["volume"].to_list() == pytest.approx(both["volume_right"].to_list(), rel=1e-12)
