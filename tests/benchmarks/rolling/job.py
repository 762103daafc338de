"""Rolling deviations and a z-score at every tick of 20 symbols, by peers."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from tests.benchmarks.rolling import limit
from tests.benchmarks.rolling.columns import Columns, difference
from tests.benchmarks.rolling.market import Ticks, make_ticks
from tests.benchmarks.timing import OURS, Peer, side_by_side

LIMIT = "numba float loop (the limit)"
NAIVE = "pure Python (deque + statistics)"

#: Name, module and function that prepares it; each module also has `columns_of`.
WAYS = {
    LIMIT: ("limit", "prepare"),
    OURS: ("with_kernel", "prepare"),
    "Polars, a frame a symbol": ("with_polars", "prepare"),
    "Polars, whole frame": ("with_polars", "prepare_over"),
    "pandas": ("with_pandas", "prepare"),
    "DuckDB SQL": ("with_duckdb", "prepare"),
    "pure Python (Welford)": ("with_python", "prepare"),
    "Bytewax (Welford)": ("with_bytewax", "prepare"),
    "River (Rolling, TimeRolling)": ("with_river", "prepare"),
    NAIVE: ("with_python", "prepare_statistics"),
}

#: Largest relative error at which a result still counts as the same: of the float sums, ours too.
TOLERANCE = 1e-9

_ROUNDS = {"Bytewax (Welford)": 2, "River (Rolling, TimeRolling)": 2, NAIVE: 1}


def peer(name: str, ticks: Ticks, expected: Columns) -> Peer:
    """Return one way to do the job over these ticks, to be compared with what the limit says."""
    module_name, prepare = WAYS[name]
    module = import_module(f"tests.benchmarks.rolling.{module_name}")

    def check(result: Any) -> dict[str, Any]:  # noqa: ANN401 - each way has its own
        error, flags = difference(module.columns_of(result, ticks), expected)
        assert error <= TOLERANCE, f"{name}: off by {error:.1e}"
        assert flags == 0, f"{name}: {flags} ticks flagged otherwise"
        return {"max_relative_error": float(f"{error:.1e}")}

    run = getattr(module, prepare)(ticks)
    return Peer(name, run, len(ticks.price), check, _ROUNDS.get(name))


def expected_of(ticks: Ticks) -> Columns:
    """Return the limit's result."""
    return limit.columns_of(limit.prepare(ticks)(), ticks)


def rolling(*, per_symbol: int = 20_000, naive_per_symbol: int = 500, rounds: int = 9) -> Any:  # noqa: ANN401 - figures
    """Return every peer's figures; `statistics` gets fewer ticks and is compared by the row."""
    ticks, few = make_ticks(20, per_symbol), make_ticks(20, naive_per_symbol)
    expected = expected_of(ticks)
    peers = [peer(name, ticks, expected) for name in WAYS if name != NAIVE]
    peers.append(peer(NAIVE, few, expected_of(few)))
    return side_by_side(peers, limit=LIMIT, rounds=rounds)


if __name__ == "__main__":
    json.dump(rolling(), sys.stdout)
