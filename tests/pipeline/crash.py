"""A small market that crashes: bars of four symbols, and what the engine says of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl

from pipeline.analysis import StepResult
from pipeline.config import Config
from pipeline.engine import ShardEngine
from pipeline.schema import BARS, TIME

S = 1_000_000
START_US = 1_700_000_000 * S

#: One horizon of two seconds, judged by ten.
CONFIG = Config.model_validate(
    {
        "symbols": ["AUSDT", "BUSDT", "CUSDT", "DUSDT"],
        "detector": {"horizons": ["2s"], "window": "10s", "hold": "3s", "cool_down": "0s"},
        "features": ["realized_vol_1m"],
        "market": {"min_symbols": 3, "fold_within": "5s"},
    }
)
ENTER = dict.fromkeys(CONFIG.symbols, 6.0)

#: All fall by 20 bp at once; later one rises by 60 bp alone.
SECONDS, CRASH, ALONE = 120, 60, 90


@cache
def told() -> StepResult:
    """Return what the engine says of all the bars, by time."""
    random = np.random.default_rng(5)
    returns = 1e-4 * random.standard_normal((SECONDS, len(ENTER)))
    returns[CRASH] -= 20e-4
    returns[ALONE, 2] += 60e-4
    close = 100.0 * np.exp(returns.cumsum(axis=0))
    times = START_US + np.arange(SECONDS).repeat(len(ENTER)) * S
    frame = pl.DataFrame({"symbol": list(ENTER) * SECONDS, "close": close.ravel()}).with_columns(
        pl.Series("open_time", times).cast(TIME),
        *(pl.col("close").alias(name) for name in ("open", "high", "low")),
        *(pl.lit(1.0).alias(name) for name in ("volume", "notional")),
        trades=pl.lit(1, pl.Int64),
        complete=pl.lit(value=True),
        revision=pl.lit(0, pl.Int32),
        first_id=pl.lit(None, pl.Int64),
        last_id=pl.lit(None, pl.Int64),
    )
    engine = ShardEngine(CONFIG.symbols, CONFIG)
    return engine.extend(frame.select(BARS.names()))
