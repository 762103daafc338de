"""Prices on which rolling deviations go wrong, and the 80-bit reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW = 120


def typical(rows: int, random: np.random.Generator) -> Floats:
    """Return prices near 100 with returns of 1e-4."""
    return _walk(100.0, random.normal(0.0, 1e-4, rows))


def small_price(rows: int, random: np.random.Generator) -> Floats:
    """Return prices near 1e-8 with returns of 1e-4."""
    return _walk(1e-8, random.normal(0.0, 1e-4, rows))


def tiny_returns(rows: int, random: np.random.Generator) -> Floats:
    """Return prices near 1e5 with returns of 1e-8."""
    return _walk(1e5, random.normal(0.0, 1e-8, rows))


def spike_then_quiet(rows: int, random: np.random.Generator) -> Floats:
    """Return noise, one return of 0.5, three flat windows, then returns of 1e-9."""
    moves = random.normal(0.0, 1e-4, rows)
    at = rows // 4
    moves[at:] = 0.0
    moves[at] = 0.5
    moves[at + 3 * WINDOW :] = random.normal(0.0, 1e-9, rows - at - 3 * WINDOW)
    return _walk(100.0, moves)


def constant_return(rows: int, _: np.random.Generator) -> Floats:
    """Return prices that grow by 1e-4 every step: a deviation of nothing but rounding."""
    return _walk(100.0, np.full(rows, 1e-4))


def noise_on_drift(rows: int, random: np.random.Generator) -> Floats:
    """Return prices that grow by 1e-4 every step, with a noise of 1e-9."""
    return _walk(100.0, 1e-4 + random.normal(0.0, 1e-9, rows))


def spikes_in_noise(rows: int, random: np.random.Generator) -> Floats:
    """Return returns of 1e-6, and of +-0.3 in turns every 500 rows."""
    moves = random.normal(0.0, 1e-6, rows)
    moves[500::1000] = 0.3
    moves[1000::1000] = -0.3
    return _walk(100.0, moves)


def early_spike(rows: int, random: np.random.Generator) -> Floats:
    """Return returns of 1e-4, and one of 0.5 near the start."""
    moves = random.normal(0.0, 1e-4, rows)
    moves[1000] = 0.5
    return _walk(100.0, moves)


def flat(rows: int, _: np.random.Generator) -> Floats:
    """Return a price that moved once, and then never again."""
    prices = np.full(rows, 100.1)
    prices[0] = 33.3
    return prices


INPUTS: dict[str, Callable[[int, np.random.Generator], Floats]] = {
    "typical": typical,
    "price 1e-8": small_price,
    "returns 1e-8": tiny_returns,
    "spike, then 1e-9": spike_then_quiet,
    "constant return": constant_return,
    "1e-9 on a drift of 1e-4": noise_on_drift,
    "0.3 in 1e-6": spikes_in_noise,
    "flat": flat,
}


@njit(cache=True)
def returns_of(prices: Floats) -> Floats:
    """Return log returns; NaN first."""
    returns = np.full(len(prices), np.nan)
    for row in range(1, len(prices)):
        returns[row] = np.log1p((prices[row] - prices[row - 1]) / prices[row - 1])
    return returns


def reference(returns: Floats, rows: NDArray[np.int64], window: int) -> tuple[Floats, Floats]:
    """Return the deviation (ddof 1) and the root mean square of the windows that end at rows.

    In two passes over 80-bit floats.
    """
    std, rms = np.empty(len(rows)), np.empty(len(rows))
    for at, row in enumerate(rows):
        held = returns[row - window + 1 : row + 1].astype(np.longdouble)
        off = held - held.sum() / window
        std[at] = np.sqrt((off * off).sum() / (window - 1))
        rms[at] = np.sqrt((held * held).sum() / window)
    return std, rms


def _walk(start: float, moves: Floats) -> Floats:
    return start * np.exp(np.cumsum(moves))
