"""The largest relative error of a rolling standard deviation, by way and input."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.benchmarks.exactness.inputs import (
    INPUTS,
    WINDOW,
    Floats,
    early_spike,
    reference,
    returns_of,
)
from tests.benchmarks.exactness.ways import WAYS, Way
from tests.benchmarks.timing import OURS, PROGRESS

RIVER = "River Rolling(Var)"  # a microsecond and more a row: not for the long inputs

#: Below this share of the window's root mean square, a deviation is rounding and the error is
#: measured against the root mean square instead.
_ROUNDING = 1e-9


def exactness(
    ways: Mapping[str, Way] = WAYS,
    *,
    rows: int = 50_000,
    long_rows: int = 10_000_000,
    long_window: int = 36_000,
) -> dict[str, dict[str, Any]]:
    """Return the errors of each way, of which ours is one; null where it was not run."""
    random = np.random.default_rng(7)
    inputs = {name: (make(rows, random), WINDOW) for name, make in INPUTS.items()}
    prices = early_spike(long_rows, random)
    million = f"{long_rows / 1e6:g}M"
    inputs[f"{million} after 0.5, W={WINDOW}"] = (prices, WINDOW)
    inputs[f"{million} after 0.5, W={long_window}"] = (prices, long_window)
    figures: dict[str, dict[str, Any]] = {way: {"cpu_s": 0.0, "wall_s": 0.0} for way in ways}
    for way in ways:
        figures[way] |= {"rows": 0, "not_a_number": 0, "flat_not_zero": 0}
    for name, (prices, window) in inputs.items():
        with PROGRESS.status(f"exactness: {name}"):
            short = {way: run for way, run in ways.items() if len(prices) <= rows or way != RIVER}
            _compare(figures, short, name, prices, window)
    for way in ways:
        ratio = figures[way]["cpu_s"] / figures[way]["rows"]
        ratio /= figures[OURS]["cpu_s"] / figures[OURS]["rows"]
        figures[way]["ratio_to_ours"] = float(f"{ratio:.3g}")
    return figures


def _compare(
    figures: dict[str, dict[str, Any]],
    ways: Mapping[str, Way],
    name: str,
    prices: Floats,
    window: int,
) -> None:
    returns = returns_of(prices)
    samples = min(len(prices) - window, 20_000 if window == WINDOW else 500)
    rows = np.unique(np.linspace(window, len(prices) - 1, samples).astype(np.int64))
    want, rms = reference(returns, rows, window)
    for way, run in ways.items():
        found = figures[way]
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        std = run(prices, returns, window)[rows]
        found["cpu_s"] = round(found["cpu_s"] + time.process_time() - cpu_s, 3)
        found["wall_s"] = round(found["wall_s"] + time.perf_counter() - wall_s, 3)
        found["rows"] += len(prices)
        found["not_a_number"] += int(np.isnan(std).sum())
        found["flat_not_zero"] += int((std[rms == 0.0] != 0.0).sum())
        scale = np.where(want > _ROUNDING * rms, want, rms)
        known = ~np.isnan(std) & (scale > 0.0)
        error = np.abs(std[known] - want[known]) / scale[known]
        found[name] = float(f"{error.max(initial=0.0):.1e}")


if __name__ == "__main__":
    json.dump(exactness(), sys.stdout)
