"""What a live flush costs beyond an empty one, by symbols of the shard."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import polars as pl

from pipeline.config import Config
from pipeline.engine import ShardEngine
from pipeline.schema import TIME, TRADES
from tests.benchmarks.timing import PROGRESS, cpu_s_of, rounded

START_US = 1_700_000_000_000_000
SYMBOLS = (1, 20, 200, 1000)
#: Symbols of the shards with the product's detector and with none; the others have the classic one.
DETECTED = 200

#: After the lateness of 250 ms: the bar before closes with the first of them.
TRADES_AT_US = (300_000, 400_000, 500_000, 600_000, 700_000)


TURNS = 5
COLD = 10  # flushes after another shard's turn


def flush(*, symbols: tuple[int, ...] = SYMBOLS, flushes: int = 400) -> dict[str, dict[str, Any]]:
    """Return the cost of a step with five trades and one closing bar a symbol, and of an empty one.

    What a symbol adds is told against the empty step, which skips what has nothing to say, and
    against the flush of the smallest shard, which has the same calls to make.
    """
    shards = {f"{count} symbols": _Shard(count, "zscore") for count in symbols}
    least, detected = shards[f"{symbols[0]} symbols"], min(symbols[-1], DETECTED)
    for detector in ("multi_horizon", "none"):
        shards[f"{detected} symbols, {detector}"] = _Shard(detected, detector)
    with PROGRESS.status("flush"):
        for turn in range(TURNS + 1):  # in turns: a machine that slows down slows all of them
            for shard in shards.values():
                for at in range(flushes // TURNS):
                    shard.step(warm=turn > 0 and at >= COLD)
    least_s = statistics.median(least.flush_s)
    return {name: shard.figures(least_s) for name, shard in shards.items()}


class _Shard:
    def __init__(self, count: int, detector: str) -> None:
        self._count = count
        symbols = [f"S{number:04d}USDT" for number in range(count)]
        config = Config.model_validate(
            {
                "symbols": symbols,
                "plugins": ["tests.benchmarks.no_detector"] if detector == "none" else [],
                "detector": {"name": detector},
            }
        )
        self._engine = ShardEngine(symbols, config)
        self._frames = _frames(symbols)
        self._empty = TRADES.to_frame(eager=True)
        self.flush_s: list[float] = []
        self._empty_s: list[float] = []
        self._wall_s: list[float] = []

    def step(self, *, warm: bool) -> None:
        trades = next(self._frames)
        began_s = time.perf_counter()
        flush_s = cpu_s_of(lambda: self._engine.step(trades))
        wall_s = time.perf_counter() - began_s
        empty_s = cpu_s_of(lambda: self._engine.step(self._empty))
        if warm:
            self.flush_s.append(flush_s)
            self._wall_s.append(wall_s)
            self._empty_s.append(empty_s)

    def figures(self, least_s: float) -> dict[str, Any]:
        flush_s, empty_s = statistics.median(self.flush_s), statistics.median(self._empty_s)
        return {
            "cpu_s": rounded(sum(self.flush_s)),
            "wall_s": rounded(sum(self._wall_s)),
            "rows": len(self.flush_s) * self._count * len(TRADES_AT_US),
            "us_per_flush": round(flush_s * 1e6),
            "us_per_flush_p90": round(statistics.quantiles(self.flush_s, n=10)[-1] * 1e6),
            "us_per_empty_step": round(empty_s * 1e6),
            "us_beyond_empty_step": round((flush_s - empty_s) * 1e6),
            "us_beyond_one_symbol": round((flush_s - least_s) * 1e6),
        }


def _frames(symbols: list[str]) -> Iterator[pl.DataFrame]:
    """Yield one flush of TRADES after the other, a second apart."""
    random = np.random.default_rng(7)
    each = len(TRADES_AT_US)
    names = np.repeat(symbols, each)
    price = random.uniform(1.0, 50_000.0, len(symbols)).round(2)
    for second in count():
        price = (price * (1 + random.normal(0.0, 1e-4, len(symbols)))).round(2)
        trade_id = np.tile(np.arange(second * each, (second + 1) * each), len(symbols)) + 1
        event_us = START_US + second * 1_000_000 + np.tile(TRADES_AT_US, len(symbols))
        yield pl.DataFrame(
            {
                "symbol": names,
                "trade_id": trade_id,
                "first_id": trade_id,
                "last_id": trade_id,
                "event_time": pl.Series(event_us).cast(TIME),
                "receive_time": pl.Series(event_us + 40_000).cast(TIME),
                "price": np.repeat(price, each),
                "quantity": random.integers(1, 5000, len(names)) / 1000,
                "buyer_is_maker": random.random(len(names)) < 0.5,
            }
        )


if __name__ == "__main__":
    json.dump(flush(), sys.stdout)
