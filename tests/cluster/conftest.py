"""A live run of recorded trades, once for all who look at what it made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from actors.client import find_pipeline
from tests.commands import Command
from tests.recorded import DATA
from tests.waiting import wait_until

TICKS = DATA / "ticks-freqtrade"

#: The end of the last whole minute.
END = pl.datetime(2019, 10, 13, 11, 20, time_zone="UTC")


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What `run` made of the 12,477 trades of XRPETH that the exchange replayed.

    Attributes:
        config: The file it ran.
        trades: The file they were in.
        klines: The venue's own minutes of them.
        bars: As the coordinator had them.
        report: The run report.
    """

    config: Path
    trades: Path
    klines: pl.DataFrame
    bars: pl.DataFrame
    report: dict[str, Any]


@pytest.fixture(scope="session")
def recorded_run(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    if not DATA.exists():
        pytest.skip("the recorded market data is not here")
    folder, trades = tmp_path_factory.mktemp("recorded"), TICKS / "XRP_OLD-trades.json.gz"
    config, report = folder / "live.yaml", folder / "report.json"
    exchange = Command(
        "exchange", "--replay", f"XRPETH={trades}", "--speed", "50000", "--port", "0",
        log=folder / "exchange.log",
    )  # fmt: skip
    try:
        websocket_url, rest_url = exchange.line_with("exchange: ").split()[1:]
        raw = {
            "symbols": ["XRPETH"],
            "features": ["realized_vol_1m"],
            "venue": {"websocket_url": websocket_url, "rest_url": rest_url},
            "board": {"history": "7d"},
        }
        config.write_text(json.dumps(raw))  # JSON is YAML
        bars = _bars_of_a_run(config, report, cluster)
    finally:
        exchange.end()
    klines = pl.read_ipc(TICKS / "XRP_ETH-1m.feather")
    return RecordedRun(config, trades, klines, bars, json.loads(report.read_text()))


def _bars_of_a_run(config: Path, report: Path, cluster: str) -> pl.DataFrame:
    run = Command(
        "run", str(config), "--no-board", "--report", str(report), "--address", cluster,
        log=config.with_suffix(".log"),
    )  # fmt: skip
    try:
        run.line_with("running without a board")
        pipeline = find_pipeline()
        assert pipeline is not None
        wait_until(
            lambda: pipeline.bars().select((pl.col("open_time") >= END).any()).item(),
            "the end of the last minute",
        )
        bars = pipeline.bars()
        run.interrupt()
        assert run.wait() == 130
    finally:
        run.end()
    return bars
