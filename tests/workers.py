"""A worker against the real exchange on loopback, with the coordinator's state in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from actors.exchange.server import ExchangeServer
from actors.symbol import SymbolWorker
from pipeline.board import BoardPlan
from pipeline.collector import Collector
from pipeline.config import Config
from pipeline.delivery import Envelope
from pipeline.exchange.trades import TradeSource
from pipeline.market import SyntheticMarket
from pipeline.sharding import Shard
from tests.certificates import Authority


class Coordination:
    """Applies what a worker pushes; may be made unreachable."""

    def __init__(self, config: Config) -> None:
        plan = BoardPlan(
            venue="exchange",
            symbols=config.symbols,
            every_us=config.sampling.every,
            by_trade=False,
            headline=config.features[0],
            detector="zscore",
            enter={},
            exit={},
            forward_fill_us=config.sampling.forward_fill,
            history_us=config.history_us,
            tick_size={},
        )
        self.lock = threading.Lock()
        self.collector = Collector(plan, "test", 0)
        self.reachable = True
        self.refused = 0

    def push(self, envelope: Envelope) -> int:
        if not self.reachable:
            self.refused += 1
            raise ConnectionError("the coordinator is away")
        with self.lock:
            return self.collector.apply(envelope, time.time_ns() // 1000)

    def health(self, symbol: str) -> dict[str, object]:
        with self.lock:
            rows = self.collector.health().filter(pl.col("symbol") == symbol)
        return rows.row(0, named=True) if rows.height else {}

    def bars(self) -> pl.DataFrame:
        with self.lock:
            return self.collector.bars()


@contextmanager
def running(
    source: TradeSource,
    symbols: list[str],
    *,
    speed: float = 1.0,
    authority: Authority | None = None,
    **sections: object,
) -> Iterator[tuple[SymbolWorker, Coordination, ExchangeServer]]:
    cert, key = (None, None) if authority is None else authority.issue()
    server = ExchangeServer(
        source, host="127.0.0.1", port=0, speed=speed, admin=True, tls_cert=cert, tls_key=key
    )
    port = server.start()
    secure = "" if authority is None else "s"
    config = Config.model_validate(
        {
            "symbols": symbols,
            "venue": {
                "name": "exchange",
                "websocket_url": f"ws{secure}://127.0.0.1:{port}",
                "ca_file": None if authority is None else str(authority.certificate),
                "rest_url": f"http{secure}://127.0.0.1:{port}",
            },
            "board": {"history": "7d"},
            **sections,
        }
    )
    coordination = Coordination(config)
    worker = SymbolWorker(Shard("shard", config.symbols), config, coordination.push)
    worker.start()
    try:
        yield worker, coordination, server
    finally:
        worker.stop()
        server.stop()


def market(symbols: list[str], **settings: float) -> SyntheticMarket:
    return SyntheticMarket(symbols, seed=3, start_us=time.time_ns() // 1000, **settings)  # type: ignore[arg-type]


def accounted(row: dict[str, object]) -> bool:
    ids = row["last_id"] - row["first_id"] + 1  # type: ignore[operator]
    return row["live"] + row["backfilled"] == ids  # type: ignore[operator]
