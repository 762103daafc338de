"""The rolling job with the product's window kernel: exact integer sums over per-trade samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.windows import RollingSum, Samples, WindowColumns, Windows
from tests.benchmarks.rolling.columns import COUNT, NAMES, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks

#: Ticks are taken in blocks that, with their sums, fit the processor's cache.
_BLOCK = 16_384

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
    windows = Windows([_SUMS] * symbols, timed=True)
    rows = len(samples.close)
    out = np.empty(rows), np.empty(rows), np.empty(rows)
    for start in range(0, rows, _BLOCK):
        block = slice(start, start + _BLOCK)
        _finish(windows.push(_taken(samples, block)), *(column[block] for column in out))
    return out


def _taken(samples: Samples, block: slice) -> Samples:
    return Samples(
        samples.symbol_index[block],
        samples.time_us[block],
        samples.close[block],
        samples.complete[block],
        samples.trades[block],
    )


def _finish(
    columns: WindowColumns,
    newest: NDArray[np.float64],
    recent: NDArray[np.float64],
    z: NDArray[np.float64],
) -> None:
    """Make deviations and a score of sums."""
    sums, terms = columns.values, columns.terms
    for deviations, n, out in (
        (sums[0], COUNT, newest),
        (sums[1], terms[1], recent),
        (sums[2], COUNT, z),
    ):
        np.divide(deviations, n - 1, out=out)
        np.sqrt(out, out=out)
    mean = np.divide(sums[3], COUNT, out=sums[3])
    np.divide(np.subtract(columns.log_return, mean, out=mean), z, out=z)
