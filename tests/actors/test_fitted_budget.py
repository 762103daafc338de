"""Budgets that a worker fits by the past the venue serves, on recorded minutes of a market."""

from __future__ import annotations

import gzip
import json

import numpy as np
import polars as pl
import pytest

from actors.symbol import SymbolWorker
from pipeline.batch.parts import newest_alerts
from pipeline.config import Config
from pipeline.durations import DAY, MINUTE
from pipeline.engine import ShardEngine
from pipeline.exchange.replay import Replay
from pipeline.exchange.trades import Trades
from pipeline.schema import BARS
from pipeline.sharding import Shard
from tests.recorded import DATA, needs_recordings
from tests.waiting import wait_until
from tests.workers import Coordination, running

#: The exchange opens here: the crash of 2021-09-24 is ahead, the tape behind is of six days.
OPENS_US = 1_632_473_400_000_000  # 2021-09-24T08:50Z
ENDS_US = OPENS_US + 90 * MINUTE

SECTIONS = {
    "sampling": {"every": "1m"},
    "features": ["realized_vol_1h"],
    "detector": {
        "budget": {"minor": "0.5/d", "major": "3/30d", "critical": "1/30d", "history": "4d"}
    },
}


@pytest.fixture(scope="module")
def closes() -> list[tuple[int, float]]:
    """Open time and close of recorded minutes, up to where the tape ends."""
    text = gzip.decompress((DATA / "klines-2021-09/BTC_USDT-1m.json.gz").read_bytes())
    return [(at * 1000, close) for at, _, _, _, close, _ in json.loads(text) if at * 1000 < ENDS_US]


def tape_of(closes: list[tuple[int, float]]) -> Replay:
    """One trade a minute, at its close; the exchange opens when most of it is past."""
    times_us, prices = np.array(closes).T
    ids = np.arange(1, len(closes) + 1)
    whole = np.full(len(closes), 10**8)
    seller = np.zeros(len(closes), dtype=np.int64)
    columns = [ids, ids, ids, times_us.astype(np.int64) + MINUTE // 2]
    columns += [np.rint(prices * 1e8).astype(np.int64), whole, seller]
    replay = Replay({"BTCUSDT": Trades(np.array(columns))})
    replay.start_us = OPENS_US
    return replay


def bars_of(closes: list[tuple[int, float]], start_us: int, until_us: int) -> pl.DataFrame:
    """The bars of that tape from a time on, before another."""
    rows = [
        ("BTCUSDT", at, close, close, close, close, 1.0, close, 1, None, None, True, 0)
        for at, close in closes
        if start_us <= at < until_us
    ]
    raw = pl.Schema(
        [(name, pl.Int64 if name == "open_time" else kind) for name, kind in BARS.items()]
    )
    return pl.DataFrame(rows, schema=raw, orient="row").cast(dict(BARS))


def thresholds(health: dict[str, object]) -> list[object]:
    return [health[name] for name in ("enter", "major", "critical")]


class Batch:
    """What the engine says of the minutes from four days before a start's history on."""

    def __init__(
        self, config: Config, closes: list[tuple[int, float]], told_us: int, until_us: int
    ) -> None:
        engine = ShardEngine(config.symbols, config)
        told = engine.extend(bars_of(closes, told_us - 4 * DAY, until_us))
        self.thresholds = thresholds(engine.health(venue_us=None).row(0, named=True))
        self.features = told.features
        self.alerts = newest_alerts(told.alerts)


def span_us(seen: Coordination) -> tuple[int, int]:
    """When the bars begin that were told, and where they end."""
    opens = seen.bars()["open_time"].to_physical()
    return int(opens.min()), int(opens.max()) + MINUTE  # type: ignore[arg-type]


@needs_recordings
def test_worker_with_a_budget_has_from_its_start_the_thresholds_of_a_batch(
    closes: list[tuple[int, float]],
) -> None:
    with running(tape_of(closes), ["BTCUSDT"], speed=3000.0, **SECTIONS) as (worker, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("live", 0) >= 80, "live minutes")  # type: ignore[operator]
        config = worker._config
    snapshot = seen.collector.snapshot(0, 0)
    told_us, until_us = span_us(seen)
    # Of four days and the history that scores need, the latter alone is told.
    assert told_us == OPENS_US - config.warm_up_us - MINUTE
    batch = Batch(config, closes, told_us, until_us)
    assert thresholds(seen.health("BTCUSDT")) == batch.thresholds
    assert batch.thresholds[0] > 7.0  # type: ignore[operator] # and not the fixed score of 6
    is_told = pl.col("open_time").to_physical() >= told_us
    assert snapshot.samples["score"].equals(batch.features.filter(is_told)["score"])
    # Episodes of the past are nobody's news; that of the crash met the threshold of the budget.
    *past, crash = batch.alerts.iter_rows(named=True)
    assert len(past) == 5
    assert snapshot.alerts.row(0, named=True) == crash
    assert (snapshot.alerts.height, crash["threshold"]) == (1, batch.thresholds[0])


@needs_recordings
def test_worker_that_is_started_again_fits_its_budget_again(
    closes: list[tuple[int, float]],
) -> None:
    with running(tape_of(closes), ["BTCUSDT"], speed=3000.0, **SECTIONS) as (worker, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("live", 0) >= 20, "live minutes")  # type: ignore[operator]
        worker.stop()
        anew = Coordination(worker._config)
        again = SymbolWorker(Shard("shard", ("BTCUSDT",)), worker._config, anew.push)
        again.start()
        try:
            wait_until(lambda: anew.bars().height > 0, "its start")
        finally:
            again.stop()
    batch = Batch(worker._config, closes, *span_us(anew))
    assert thresholds(anew.health("BTCUSDT")) == batch.thresholds
    assert batch.thresholds[0] > 7.0  # type: ignore[operator]
