from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.exchange.replay import Replay
from pipeline.exchange.trades import Trades
from pipeline.exchange.venue import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable

T0_US = 1_700_000_040_000_000  # 2023-11-14 22:14:00 UTC

Row = tuple[int, int, int, int, int, int, int]


@pytest.fixture
def trades() -> Trades:
    """Four aggregates of six fills: ticks of 0.01, lots of 0.001."""
    rows: list[Row] = [
        (11, 101, 101, T0_US + 100_000, 10_000_000_000, 100_000_000, 0),
        (12, 102, 104, T0_US + 100_400, 10_001_000_000, 150_000_000, 0),
        (13, 105, 105, T0_US + 2_500_000, 9_999_000_000, 200_000, 1),
        (14, 106, 106, T0_US + 61_000_000, 10_002_000_000, 300_000_000, 1),
    ]
    return Trades(np.array(rows, dtype=np.int64).T)


@pytest.fixture
def issue(trades: Trades) -> Callable[[int], Exchange]:
    """An exchange that replays `trades` as ABCUSDT up to so many seconds after T0."""

    def at(seconds: int) -> Exchange:
        exchange = Exchange(Replay({"ABCUSDT": trades}))
        exchange.advance(T0_US + seconds * 1_000_000)
        return exchange

    return at
