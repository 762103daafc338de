"""A start with the history it asks for says from its first row what a longer run says."""

from __future__ import annotations

from itertools import pairwise

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


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, LIVE - 100), max_size=4))
def test_start_that_has_learnt_the_past_page_by_page_goes_on_as_a_batch_over_all(
    seed: int, cuts: list[int]
) -> None:
    bars = history(seed)
    told = ShardEngine(CONFIG.symbols, CONFIG).extend(bars)
    shard = ShardEngine(CONFIG.symbols, CONFIG)
    places = [0, *sorted(cuts), LIVE - 50]
    for start, end in pairwise(places):
        shard.learn(bars[start:end])
    first = shard.anchor("AUSDT", START_US + LIVE * SECOND, bars[LIVE - 50 : LIVE])
    rest = shard.extend(bars[LIVE:])
    assert first.features.equals(told.features[LIVE - 50 : LIVE])
    assert rest.features.equals(told.features[LIVE:])
    # Also of an episode that began in the past, what is told of it from then on.
    ids = pl.concat([first.alerts, rest.alerts])["alert_id"].unique()
    newest = pl.concat([first.alerts, rest.alerts]).unique("alert_id", keep="last")
    whole = told.alerts.filter(pl.col("alert_id").is_in(ids.implode())).unique(
        "alert_id", keep="last"
    )
    assert newest.sort("alert_id").equals(whole.sort("alert_id"))


def test_start_whose_market_was_silent_since_the_past_it_has_learnt_has_no_seam() -> None:
    bars = history(1)
    shard = ShardEngine(CONFIG.symbols, CONFIG)
    shard.learn(bars[: LIVE - 5])
    shard.anchor("AUSDT", START_US + LIVE * SECOND, bars[:0])
    told = shard.extend(bars[LIVE:]).bars
    # Five steps without a trade lie between.
    opens_s = ((told["open_time"].to_physical() - START_US) // SECOND).to_list()
    assert opens_s == list(range(LIVE - 5, ROWS))
    assert told["trades"][:6].to_list() == [0, 0, 0, 0, 0, 1]


def test_start_that_has_learnt_the_past_counts_no_alert_of_it() -> None:
    bars = history(1, jump=0.05)
    shard = ShardEngine(CONFIG.symbols, CONFIG)
    shard.learn(bars[:LIVE])
    shard.anchor("AUSDT", START_US + LIVE * SECOND, bars[:0])
    assert ShardEngine(CONFIG.symbols, CONFIG).extend(bars[:LIVE]).alerts.height > 0
    assert shard.health(venue_us=None)["alerts"].to_list() == [0]
