"""The whole pipeline under 20,000 trades a second: exchange, sockets, Ray actors, coordinator."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.commands import Command

if TYPE_CHECKING:
    from pathlib import Path

TRADES_PER_S = 20_000
SYMBOLS = [
    "BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT",
]  # fmt: skip

#: 30 s of load after all eight actors have started.
RUN_FOR = "45s"


def feed_load(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what arrived of what was issued, and whether the hashes of all symbols are equal."""
    market = {
        "symbols": SYMBOLS,
        "features": ["realized_vol_1m"],
        "exchange": {"trades_per_s": TRADES_PER_S, "history": "5m"},
    }
    exchange_config = _write(folder / "exchange.yaml", market)
    exchange = Command(
        "exchange", exchange_config, "--admin", "--port", "0", log=folder / "exchange.log"
    )
    try:
        websocket_url, rest_url = exchange.line_with("exchange: ").split()[1:]
        venue = {"name": "exchange", "websocket_url": websocket_url, "rest_url": rest_url}
        config = {**market, "venue": venue, "actors": {"digest": True}}
        report_path = folder / "report.json"
        wall_s = time.monotonic()
        run = Command(
            "run", _write(folder / "run.yaml", config), "--no-board", "--for", RUN_FOR,
            "--address", "local", "--report", str(report_path), log=folder / "run.log",
        )  # fmt: skip
        code = run.wait()
        if code != 0:
            raise RuntimeError(f"expected the run to end with 0, found {code}: {run.errors}")
        run.end()
        report = json.loads(report_path.read_text())
        equal = all(
            _issued(rest_url, symbol, row) == row["sha256"]
            for symbol, row in report["symbols"].items()
        )
    finally:
        exchange.end()
    totals = report["totals"]
    return {
        "ours": {
            "wall_s": round(time.monotonic() - wall_s, 2),
            "rows": totals["live"] + totals["backfilled"],
            **{name: totals[name] for name in ("live", "backfilled", "pending", "lost")},
            **{name: totals[name] for name in ("duplicates", "late", "rejected")},
            "symbols": len(report["symbols"]),
            "trades_per_s": TRADES_PER_S,
            "hash_equal": equal,
        }
    }


def _write(path: Path, config: dict[str, Any]) -> str:
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return str(path)


def _issued(rest_url: str, symbol: str, row: dict[str, Any]) -> str:
    """Return the exchange's hash over the ids that the pipeline accounts for."""
    ids = f"symbol={symbol}&first_id={row['first_id']}&last_id={row['last_id']}"
    url = f"{rest_url}/admin/ledger?{ids}"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - loopback
        return str(json.load(answer)[symbol]["sha256"])
