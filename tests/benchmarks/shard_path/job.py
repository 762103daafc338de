"""What the whole path of a shard costs a message, beside receiving it and nothing else."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.timing import PROGRESS, rounded
from tests.commands import Command

MESSAGES_PER_S = 40_000
SYMBOLS = [
    "BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT",
]  # fmt: skip
SECONDS = 6.0
ROUNDS = 3


def shard_path(folder: Path) -> dict[str, dict[str, Any]]:
    """Return CPU a message of both readers, in turns against one exchange."""
    market = {
        "symbols": SYMBOLS,
        "features": ["realized_vol_1m"],
        "exchange": {"trades_per_s": MESSAGES_PER_S, "history": "2m"},
    }
    path = folder / "exchange.yaml"
    path.write_text(json.dumps(market), encoding="utf-8")  # JSON is YAML
    exchange = Command("exchange", str(path), "--port", "0", log=folder / "exchange.log")
    try:
        websocket_url, rest_url = exchange.line_with("exchange: ").split()[1:]
        venue = {"name": "exchange", "websocket_url": websocket_url, "rest_url": rest_url}
        rounds: dict[str, list[dict[str, Any]]] = {"bare": [], "worker": []}
        with PROGRESS.status("shard path"):
            for _ in range(ROUNDS):
                for reader, taken in rounds.items():
                    taken.append(_read(reader, {**market, "venue": venue}))
    finally:
        exchange.end()
    figures = {
        "bare websocket-client loop": _figures(rounds["bare"]),
        "ours, socket to frame": _figures(rounds["worker"]),
    }
    least = figures["bare websocket-client loop"]["us_per_message"]
    for one in figures.values():
        one["ratio_to_bare"] = rounded(one["us_per_message"] / least)
    return figures


def _read(reader: str, config: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.shard_path.readers", reader]
    command += [json.dumps(config), str(SECONDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own module
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered


def _figures(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    each = [taken["cpu_s"] / taken["messages"] * 1e6 for taken in rounds]
    counted = ("pending", "lost", "duplicates", "rejected")
    return {
        "cpu_s": rounded(sum(taken["cpu_s"] for taken in rounds)),
        "wall_s": rounded(sum(taken["wall_s"] for taken in rounds)),
        "rows": sum(taken["messages"] for taken in rounds),
        "us_per_message": rounded(statistics.median(each)),
        "messages_per_s": round(
            statistics.median(taken["messages"] / taken["wall_s"] for taken in rounds)
        ),
        **{name: sum(taken.get(name, 0) for taken in rounds) for name in counted},
    }
