"""The input of the history job: seeded trades of many symbols, interleaved in time order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

START_US = 1_700_000_000_000_000  # a whole second
TICK = 0.01
SIZE_STEP = 0.001
MEAN_GAP_US = 200_000  # five trades a second and symbol


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades in time order, as plain columns.

    Attributes:
        symbols: Their names, in index order.
        symbol_index: Row by row, the position of the symbol.
        event_us: When the trade happened; strictly ascending for each symbol.
        trade_id: 1, 2, 3, ... for each symbol.
        price: In whole ticks of 0.01.
        quantity: In whole steps of 0.001.
    """

    symbols: tuple[str, ...]
    symbol_index: NDArray[np.int32]
    event_us: NDArray[np.int64]
    trade_id: NDArray[np.int64]
    price: NDArray[np.float64]
    quantity: NDArray[np.float64]


def make_trades(symbols: int, per_symbol: int, seed: int = 7) -> Trades:
    """Return random-walk trades, five a second, with spells of silence of up to five minutes."""
    random = np.random.default_rng(seed)
    times, prices, sizes = [], [], []
    for _ in range(symbols):
        gaps_us = 1 + random.exponential(MEAN_GAP_US, per_symbol).astype(np.int64)
        quiet = random.choice(per_symbol, max(3, per_symbol // 50_000), replace=False)
        gaps_us[quiet] += random.integers(3_000_000, 300_000_000, len(quiet))
        times.append(START_US + np.cumsum(gaps_us))
        moves = np.rint(random.normal(0.0, 50.0, per_symbol)).astype(np.int64)
        ticks = random.integers(1_000_000, 6_000_000) + np.cumsum(moves)
        prices.append(ticks / round(1 / TICK))
        sizes.append(random.integers(1, 5000, per_symbol) / round(1 / SIZE_STEP))
    event_us = np.concatenate(times)
    order = np.argsort(event_us, kind="stable")
    return Trades(
        symbols=tuple(f"S{number:03d}USDT" for number in range(symbols)),
        symbol_index=np.repeat(np.arange(symbols, dtype=np.int32), per_symbol)[order],
        event_us=event_us[order],
        trade_id=np.tile(np.arange(1, per_symbol + 1), symbols)[order],
        price=np.concatenate(prices)[order],
        quantity=np.concatenate(sizes)[order],
    )
