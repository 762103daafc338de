"""The rolling job with the product's window kernel: exact integer sums over per-trade samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.windows import RollingSum, Samples, Windows
from tests.benchmarks.rolling.columns import COUNT, NAMES, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks

_SUMS = [
    RollingSum("deviations", COUNT, need=COUNT),
    RollingSum("deviations", duration_us=REACH_US, need=2),
    RollingSum("deviations", COUNT, lag=1, need=COUNT),
    RollingSum("returns", COUNT, lag=1, need=COUNT),
]


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job over these ticks, the samples of the kernel."""
    samples = Samples(
        symbol_index=ticks.symbol_index,
        time_us=ticks.time_us,
        close=ticks.price,
        complete=np.ones(len(ticks.price), dtype=np.bool_),
        trades=np.ones(len(ticks.price), dtype=np.int64),
    )
    return lambda: _rolling(samples, len(ticks.symbols))


def columns_of(result: Any, _: Ticks) -> Columns:  # noqa: ANN401 - what `prepare` made
    """Return the result as columns."""
    return dict(zip(NAMES, result, strict=True))


def _rolling(samples: Samples, symbols: int) -> tuple[NDArray[np.float64], ...]:
    columns = Windows([_SUMS] * symbols, timed=True).push(samples)
    newest, recent, before, z = columns.values
    for deviations, terms in ((newest, COUNT), (recent, columns.terms[1]), (before, COUNT)):
        np.sqrt(np.divide(deviations, terms - 1, out=deviations), out=deviations)
    z /= -COUNT
    z += columns.log_return
    z /= before
    return newest, recent, z
