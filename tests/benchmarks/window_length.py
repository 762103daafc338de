"""What a row costs the window kernel, by the length of the window."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.windows import RollingSum, Samples, Windows
from tests.benchmarks.timing import PROGRESS, cpu_s_of, rounded

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)


def window_lengths(
    *, lengths: tuple[int, ...] = LENGTHS, rows: int = 200_000
) -> dict[str, dict[str, Any]]:
    """Return the cost of a row of one symbol's window kernel, its windows full."""
    pushes = {}
    for length in lengths:
        with PROGRESS.status(f"window of {length:,} samples: fill"):
            pushes[length] = _pushes(length, rows)
    costs: dict[int, list[float]] = {length: [] for length in lengths}
    for _ in range(9):  # in turns, so that a machine that slows down slows all of them
        for length, push in pushes.items():
            costs[length].append(cpu_s_of(push))
    shortest = costs[lengths[0]]
    return {
        f"{length:,} samples": {
            "cpu_s": rounded(statistics.median(cost)),
            "ns_per_row": round(statistics.median(cost) / rows * 1e9, 1),
            "ratio_to_shortest": round(
                statistics.median(a / b for a, b in zip(cost, shortest, strict=True)), 3
            ),
            "rows": rows,
        }
        for length, cost in costs.items()
    }


def _pushes(length: int, rows: int) -> Callable[[], Any]:
    """Return a push of so many rows into a window that is full."""
    windows = Windows([[RollingSum("squares", length), RollingSum("deviations", length, lag=1)]])
    random = np.random.default_rng(7)
    for _ in range(0, length + 1, rows):
        windows.push(_samples(random, rows))
    samples = _samples(random, rows)
    return lambda: windows.push(samples)


def _samples(random: np.random.Generator, rows: int) -> Samples:
    return Samples(
        symbol_index=np.zeros(rows, dtype=np.int32),
        time_us=np.zeros(rows, dtype=np.int64),
        close=50_000.0 * np.exp(np.cumsum(random.normal(0.0, 1e-4, rows))),
        complete=np.ones(rows, dtype=np.bool_),
        trades=np.ones(rows, dtype=np.int64),
    )


if __name__ == "__main__":
    json.dump(window_lengths(), sys.stdout)
