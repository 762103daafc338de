"""Two readers of one stream, each a process of its own: a bare loop, and a symbol worker."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import websocket

from actors.symbol import SymbolWorker
from pipeline.config import Config
from pipeline.delivery import from_ipc
from pipeline.sharding import Shard
from pipeline.venues.registry import venue_for
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pipeline.delivery import Envelope


class Listener:
    """A coordinator that acknowledges every frame, and keeps the newest health."""

    def __init__(self) -> None:
        self.health: dict[str, dict[str, Any]] = {}

    def push(self, envelope: Envelope) -> int:
        for row in from_ipc(envelope.payload.health).iter_rows(named=True):
            self.health[row["symbol"]] = row
        return envelope.seq

    def total(self, column: str) -> int:
        return sum(row[column] for row in list(self.health.values()))


def bare(config: Config, seconds: float) -> dict[str, Any]:
    """Receive with websocket-client as its documentation shows, and do nothing else."""
    venue = config.venue
    streams = venue_for(
        venue.name, websocket_url=venue.websocket_url, rest_url=venue.rest_url
    ).connection(config.symbols)
    socket = websocket.WebSocket(skip_utf8_validation=True)
    socket.connect(streams.url, http_no_proxy=["127.0.0.1"])
    _read_for(socket, 2.0)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    messages = _read_for(socket, seconds)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - began_s
    socket.close()
    return {"cpu_s": cpu_s, "wall_s": wall_s, "messages": messages}


def _read_for(socket: websocket.WebSocket, seconds: float) -> int:
    messages, end_s = 0, time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        for _ in range(1000):
            socket.recv_data()
        messages += 1000
    return messages


def worker(config: Config, seconds: float) -> dict[str, Any]:
    """Run a symbol worker: parse, ledger, bars, windows, features, scores, frames."""
    listener = Listener()
    one = SymbolWorker(Shard("bench", config.symbols), config, listener.push)
    one.start()
    try:
        wait_until(
            lambda: (
                len(listener.health) == len(config.symbols)
                and all(row["live"] > 0 for row in listener.health.values())
                and listener.total("pending") == 0
            ),
            "every symbol to be live",
        )
        time.sleep(2.0)  # warm: the same as the bare loop
        live, began_s, cpu_s = listener.total("live"), time.perf_counter(), time.process_time()
        time.sleep(seconds)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - began_s
        messages = listener.total("live") - live
    finally:
        one.stop()
    return {
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "messages": messages,
        **{name: listener.total(name) for name in ("pending", "lost", "duplicates", "rejected")},
    }


def main() -> None:
    """Print what one reader measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("reader", choices=["bare", "worker"])
    parser.add_argument("config")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    config = Config.model_validate(json.loads(options.config))
    read = {"bare": bare, "worker": worker}[options.reader]
    json.dump(read(config, options.seconds), sys.stdout)


if __name__ == "__main__":
    main()
