"""Trades of 20 symbols -> one-second bars -> volatilities -> score: the product's job, by peers."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from tests.benchmarks.history import limit
from tests.benchmarks.history.market import Trades, make_trades
from tests.benchmarks.history.rows import Rows, difference
from tests.benchmarks.timing import OURS, Peer, side_by_side

LIMIT = "numba float loop (the limit)"
PYTHON = "pure Python (deque + statistics)"

#: Name, module and function that prepares it; each module also has `rows_of`.
WAYS = {
    LIMIT: ("limit", "prepare"),
    OURS: ("with_engine", "prepare"),
    "Polars, symbol by symbol": ("with_polars", "prepare_per_symbol"),
    "Polars, whole frame": ("with_polars", "prepare"),
    "pandas": ("with_pandas", "prepare"),
    "DuckDB SQL": ("with_duckdb", "prepare"),
    PYTHON: ("with_python", "prepare"),
}

#: Largest relative error at which a result still counts as the same.
TOLERANCE = 1e-9


def peer(name: str, trades: Trades, expected: Rows, *, rounds: int | None = None) -> Peer:
    """Return one way to do the job over these trades, to be compared with what the limit says."""
    module_name, prepare = WAYS[name]
    module = import_module(f"tests.benchmarks.history.{module_name}")

    def check(result: Any) -> dict[str, Any]:  # noqa: ANN401 - each way has its own
        error, flags = difference(module.rows_of(result, trades), expected)
        assert error <= TOLERANCE, f"{name}: off by {error:.1e}"
        assert flags == 0, f"{name}: {flags} rows flagged otherwise"
        return {"bars": len(expected.second), "max_relative_error": float(f"{error:.1e}")}

    run = getattr(module, prepare)(trades)
    return Peer(name, run, len(trades.event_us), check, rounds)


def expected_of(trades: Trades) -> Rows:
    """Return the limit's result."""
    return limit.rows_of(limit.prepare(trades)(), trades)


def history(*, per_symbol: int = 500_000, python_per_symbol: int = 5_000, rounds: int = 5) -> Any:  # noqa: ANN401 - figures
    """Return every peer's figures; pure Python does fewer trades and is compared by the row."""
    trades, few = make_trades(20, per_symbol), make_trades(20, python_per_symbol)
    fast = [name for name in WAYS if name != PYTHON]
    expected = expected_of(trades)
    slow = {"DuckDB SQL": 2}
    peers = [peer(name, trades, expected, rounds=slow.get(name)) for name in fast]
    peers.append(peer(PYTHON, few, expected_of(few), rounds=2))
    return side_by_side(peers, limit=LIMIT, rounds=rounds)


if __name__ == "__main__":
    json.dump(history(), sys.stdout)
