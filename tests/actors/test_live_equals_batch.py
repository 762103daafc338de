"""The same trades as history and live: the same files, byte for byte."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from actors.exchange.server import ExchangeServer
from actors.symbol import SymbolWorker
from pipeline.batch.folder import BatchFolder
from pipeline.batch.parts import newest_alerts
from pipeline.batch.plan import plan_parts
from pipeline.batch.sources import look_at
from pipeline.batch.tables import DayFiles
from pipeline.config import Config
from pipeline.delivery import Envelope, from_ipc
from pipeline.exchange.replay import open_replay
from pipeline.sharding import Shard
from tests.pipeline.batch.histories import run_here
from tests.recorded import DATA, needs_recordings
from tests.waiting import wait_until

TAPE = DATA / "ticks-freqtrade/XRP_OLD-trades.json.gz"

SECTIONS = {
    "symbols": ["XRPETH"],
    "features": [
        "realized_vol_5m",
        "realized_vol_1h",
        "ewma_vol_5m",
        "bipower_vol_1h",
        "jump_share_1h",
        "parkinson_vol_1h",
        "vol_regime_5m_1h",
        "trade_burst_z_1m",
    ],
    "sampling": {"every": "10s", "forward_fill": "5m"},
    "detector": {
        "name": "zscore",
        "window": 120,
        "enter": 4.0,
        "min_move_bp": 1.0,
    },
}


class Listener:
    """A coordinator that keeps every frame it is sent."""

    def __init__(self) -> None:
        self.frames: list[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = []
        self._applied = 0

    def push(self, envelope: Envelope) -> int:
        if envelope.seq == self._applied + 1:
            payload = envelope.payload
            self.frames.append(
                (from_ipc(payload.bars), from_ipc(payload.features), from_ipc(payload.alerts))
            )
            self._applied = envelope.seq
        return self._applied

    def has_passed(self, time: datetime) -> bool:
        return any(bars.height and bars["open_time"][-1] > time for bars, *_ in list(self.frames))


def run_live(tape: Path, out: Path, until: datetime) -> pl.DataFrame:
    """Play the tape to a real worker; write what it reports as a batch would; return the alerts."""
    server = ExchangeServer(
        open_replay([tape]), host="127.0.0.1", port=0, speed=20_000.0, admin=True
    )
    port = server.start()
    venue = {
        "name": "exchange",
        "websocket_url": f"ws://127.0.0.1:{port}",
        "rest_url": f"http://127.0.0.1:{port}",
    }
    config = Config.model_validate({**SECTIONS, "venue": venue})
    listener = Listener()
    worker = SymbolWorker(Shard("shard", config.symbols), config, listener.push)
    worker.start()
    try:
        wait_until(lambda: listener.has_passed(until), "the end of the tape")
    finally:
        worker.stop()
        server.stop()
    folder = BatchFolder(out)
    folder.open()
    source = look_at(tape, tape.name, None)
    chain = plan_parts([source], part_rows=1_000_000, results_of=("live",))["XRPETH"]
    for at, table in enumerate(("bars", "features")):
        rows = pl.concat([frame[at] for frame in listener.frames])
        rows = rows.filter(pl.col("open_time") <= until)
        # The end of history closes what was open: in a batch that is a part of its own.
        for part, own in zip(chain, (rows[:-1], rows[-1:]), strict=True):
            files = DayFiles(folder, table, part)
            files.add(own)
            files.finish()
    return newest_alerts(pl.concat([frame[2] for frame in listener.frames]))


@needs_recordings
def test_live_run_of_recorded_trades_equals_their_batch_byte_for_byte(tmp_path: Path) -> None:
    tape = tmp_path / "XRPETH-aggTrades-2019-10-11.json.gz"
    tape.symlink_to(TAPE.resolve())
    run_here(tmp_path / "batch", tape, config=Config.model_validate(SECTIONS))
    batch = pl.read_parquet(tmp_path / "batch/bars", hive_partitioning=False)
    until = batch["open_time"].max()
    alerts = run_live(tape, tmp_path / "live", until)
    for table in ("bars", "features"):
        written = sorted((tmp_path / "batch" / table).rglob("*.parquet"))
        assert len(written) == 4  # three days, and the bar that was open at the end
        for path in written:
            other = tmp_path / "live" / path.relative_to(tmp_path / "batch")
            assert pl.read_parquet(other).equals(pl.read_parquet(path))
            assert other.read_bytes() == path.read_bytes()
    batch_alerts = pl.read_parquet(tmp_path / "batch/alerts.parquet")
    assert batch_alerts.height > 0
    assert alerts.filter(pl.col("start_time") <= until).equals(batch_alerts)
