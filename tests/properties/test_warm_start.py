"""A start with the history it asks for says from its first row what a longer run says."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.durations import SECOND
from pipeline.engine import ShardEngine
from tests.pipeline.trades import START_US, bars_frame

#: The feature needs less than the detector.
CONFIG = Config.model_validate(
    {
        "symbols": ["AUSDT"],
        "features": ["realized_vol_10s"],
        "detector": {"horizons": ["2s", "7s"], "window": "30s", "min_move_bp": 0.0},
    }
)
ROWS, LIVE = 400, 250


def history(seed: int, jump: float = 0.0) -> pl.DataFrame:
    """Bars of a market with fat tails: trimmed returns are in every window."""
    returns = np.random.default_rng(seed).standard_t(2, ROWS) * 1e-4
    returns[LIVE - 35] += jump
    close = 100 * np.exp(np.cumsum(returns))
    first = START_US // SECOND
    return bars_frame(*((first + at, float(close[at]), 1) for at in range(ROWS)))


def live_scores(bars: pl.DataFrame, warm_up_us: int) -> pl.Series:
    """Scores of a run that starts at bar LIVE, with history of so long before it."""
    open_us = START_US + LIVE * SECOND
    opens = bars["open_time"].to_physical()
    shard = ShardEngine(CONFIG.symbols, CONFIG)
    shard.anchor("AUSDT", open_us, bars.filter((opens >= open_us - warm_up_us) & (opens < open_us)))
    return shard.extend(bars.filter(opens >= open_us)).features["score"]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_first_live_score_after_a_warm_start_is_that_of_a_batch_over_all_history(seed: int) -> None:
    bars = history(seed)
    whole = ShardEngine(CONFIG.symbols, CONFIG).extend(bars).features["score"][LIVE:]
    warm = live_scores(bars, CONFIG.warm_up_us)
    assert warm.null_count() == 0
    assert warm.to_list() == whole.to_list()


def test_warm_start_asks_for_two_windows_and_three_longest_horizons() -> None:
    # Three steps more: a price before the first return, the step under way, and one to spare.
    assert CONFIG.warm_up_us == (2 * 30 + 3 * 7 + 3) * SECOND
    # With history that makes a score known, a jump in its first ten seconds is no outlier.
    bars = history(1, jump=0.05)
    whole = ShardEngine(CONFIG.symbols, CONFIG).extend(bars).features["score"][LIVE:]
    known = live_scores(bars, (30 + 2 * 7 + 3) * SECOND)
    assert known.null_count() == 0
    assert known[0] < whole[0] / 3
    assert known[40:].to_list() == whole[40:].to_list()
