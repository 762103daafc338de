"""The input of the rolling job: ticks of many symbols, interleaved in time order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

START_US = 1_700_000_000_000_000


@dataclass(frozen=True, slots=True)
class Ticks:
    """Prices in time order, as plain columns; times are strictly ascending."""

    symbols: tuple[str, ...]
    symbol_index: NDArray[np.int32]
    time_us: NDArray[np.int64]
    price: NDArray[np.float64]


def make_ticks(symbols: int, per_symbol: int, seed: int = 7) -> Ticks:
    """Return random walks with returns of 1e-4, about twenty ticks a second and symbol."""
    random = np.random.default_rng(seed)
    count = symbols * per_symbol
    gaps_us = 1 + random.exponential(50_000 / symbols, count).astype(np.int64)
    symbol_index = random.permutation(np.repeat(np.arange(symbols, dtype=np.int32), per_symbol))
    moves = random.standard_t(4, count) * 1e-4
    price = np.empty(count)
    for symbol in range(symbols):
        mine = symbol_index == symbol
        price[mine] = 10.0 ** random.uniform(0.0, 5.0) * np.exp(np.cumsum(moves[mine]))
    return Ticks(
        symbols=tuple(f"S{number:03d}USDT" for number in range(symbols)),
        symbol_index=symbol_index,
        time_us=START_US + np.cumsum(gaps_us),
        price=price,
    )
