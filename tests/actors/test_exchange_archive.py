"""Dumps as a client fetches them, and what they are worth: the same as REST, and as a live run."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from actors.rest import RestClient, fetch_trades
from pipeline.config import Config
from pipeline.durations import DAY, HOUR, SECOND
from pipeline.engine import ShardEngine
from pipeline.exchange.replay import Replay
from pipeline.exchange.trades import Trades
from pipeline.recordings.inputs import open_input, read_chunks
from pipeline.venues.registry import venue_for
from tests.actors.test_exchange_server import connected, read_until, serving
from tests.pipeline.batch.histories import run_here, table

#: 2025-03-01 00:00 UTC.
DAY_US = 1_740_787_200_000_000
COUNT = 20_000


def tape() -> Trades:
    """Trades from an hour before a day to an hour after it, at no whole milliseconds."""
    random = np.random.default_rng(5)
    ids = np.arange(1, COUNT + 1)
    times_us = np.sort(random.integers(DAY_US - HOUR, DAY_US + DAY + HOUR, COUNT))
    price = 6_000_000_000_000 + 1_000_000 * np.cumsum(random.integers(-9, 10, COUNT))
    size = random.integers(1, 10**9, COUNT)
    return Trades(np.array([ids, ids, ids, times_us, price, size, random.integers(0, 2, COUNT)]))


def tape_of_the_day() -> Trades:
    return tape().split_at(DAY_US + DAY)[0].split_at(DAY_US)[1]


def fetch(port: int, name: str) -> bytes:
    url = f"http://127.0.0.1:{port}/data/spot/daily/aggTrades/BTCUSDT/{name}"
    with urllib.request.urlopen(url) as answer:
        body: bytes = answer.read()
    return body


def test_dump_that_batch_reads_gives_the_trades_of_rest_and_the_bars_of_the_engine(
    tmp_path: Path,
) -> None:
    name = "BTCUSDT-aggTrades-2025-03-01.zip"
    with serving(Replay({"BTCUSDT": tape()}), speed=100_000.0) as port:
        with connected(port, "/stream?streams=btcusdt@aggTrade&timeUnit=MICROSECOND") as client:
            read_until(client, lambda found: bool(found) and found[-1]["data"]["a"] == COUNT)
        dump, checksum = fetch(port, name), fetch(port, f"{name}.CHECKSUM")
        # A day takes this exchange less than a second: one that is sure not to be over.
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(port, "BTCUSDT-aggTrades-2026-03-01.zip")
        venue = venue_for("exchange", websocket_url="ws://no", rest_url=f"http://127.0.0.1:{port}")
        served = fetch_trades(
            venue, RestClient(), "BTCUSDT", from_id=1, to_id=COUNT, start_us=DAY_US - HOUR
        )
    assert checksum.decode() == f"{hashlib.sha256(dump).hexdigest()}  {name}\n"

    (tmp_path / name).write_bytes(dump)
    config = Config.model_validate({"symbols": ["BTCUSDT"], "features": ["realized_vol_5m"]})
    run_here(tmp_path / "out", tmp_path / name, config=config)
    of_day = served.filter(pl.col("event_time").dt.date() == pl.date(2025, 3, 1))
    read = pl.concat(chunk.rows for chunk in read_chunks(open_input(tmp_path / name), 1_000))
    # REST tells whole milliseconds.
    assert read["event_time"].to_physical().to_list() == tape_of_the_day().time_us.tolist()
    told = pl.all().exclude("receive_time", "event_time")
    assert read.select(told).equals(of_day.select(told))

    engine = ShardEngine(["BTCUSDT"], config)
    live = engine.step(of_day, clock_us=DAY_US + DAY + SECOND)
    bars = table(tmp_path / "out", "bars")
    same = ["open_time", "open", "high", "low", "close", "volume", "notional", "trades", "complete"]
    both = live.bars.select(same).head(bars.height)
    assert bars.height > 86_000
    assert bars.select(same).equals(both, null_equal=True)
