"""However rows arrive, features are the same, to the last bit. The number is of windows.md D."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.durations import SECOND
from pipeline.feature_table import FeatureTable
from pipeline.features import BUILT_IN
from pipeline.ranges import RangeSums
from pipeline.windows import RollingSum, Windows
from tests.pipeline.window_oracles import samples, taken

ROWS = 400

# One of each, with windows that this many rows fill.
ON_A_GRID = [
    "realized_vol_7s",
    "subsampled_vol_20s_3s",
    "ewma_vol_9s",
    "bipower_vol_12s",
    "jump_share_30s",
    "parkinson_vol_1m",
    "garman_klass_vol_2m",
    "rogers_satchell_vol_1m",
    "roll_spread_bp_15s",
    "vol_ratio_5s_40s",
    "vol_regime_5s_40s",
    "trade_burst_z_10s",
]
# The half hour of a burst needs a coarser grid.
BURST = ["trade_burst_z_10s", "subsampled_vol_20s_10s"]
BY_TRADE = [
    "realized_vol_7s",
    "ewma_vol_9s",
    "bipower_vol_12s",
    "jump_share_30s",
    "parkinson_vol_1m",
    "roll_spread_bp_15s",
    "vol_ratio_5s_40s",
    "vol_regime_5s_40s",
]


def features(names: list[str], every_us: int | None, seed: int, cuts: list[int]) -> pl.DataFrame:
    """Features of a market of heavy tails, flat stretches and gaps, pushed in parts."""
    random = np.random.default_rng(seed)
    moves = np.where(random.random(ROWS) < 0.3, 0.0, random.standard_t(2, ROWS) * 1e-3)
    close = 100.0 * np.exp(np.cumsum(moves))
    close[random.random(ROWS) < 0.05] = np.nan
    step_us = np.full(ROWS, every_us) if every_us else random.choice([0, 50_000, 2 * SECOND], ROWS)
    given_rows = samples(close, np.cumsum(step_us), random.integers(0, 9, ROWS).tolist())
    table = FeatureTable(names, every_us=every_us)
    statistics = table.statistics
    windows = Windows(
        [[*statistics.sums, RollingSum("returns", 1)]],
        statistics.half_lives,
        timed=every_us is None,
    )
    ranges = RangeSums(1, statistics.range_windows, statistics.range_step_us)
    parts = []
    for a, b in pairwise([0, *sorted(cuts), ROWS]):
        part = taken(given_rows, slice(a, b))
        prices = np.tile(part.close, (4, 1)) * np.array([[1.0], [1.001], [0.999], [1.0]])
        end_us = part.time_us + (every_us or 0)
        by_minute = ranges.push(part.symbol_index, end_us, prices, part.time_us)
        parts.append(table.compute(pl.DataFrame(), windows.push(part), by_minute))
    return pl.concat(parts)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**9),
    st.lists(st.integers(0, ROWS), max_size=6),
    st.sampled_from(
        [(ON_A_GRID, SECOND), (ON_A_GRID[:-1], 500_000), (BURST, 5 * SECOND), (BY_TRADE, None)]
    ),
)
def test_any_partition_of_rows_gives_the_same_features(
    seed: int, cuts: list[int], kind: tuple[list[str], int | None]
) -> None:
    """(13)."""
    whole = features(*kind, seed, [])
    assert features(*kind, seed, cuts).to_numpy().tobytes() == whole.to_numpy().tobytes()


def test_every_built_in_feature_is_among_those_tried() -> None:
    tried = [one.template for one in BUILT_IN if any(one.match(name) for name in ON_A_GRID)]
    assert tried == [one.template for one in BUILT_IN]


@pytest.mark.parametrize(
    ("names", "every_us"), [(ON_A_GRID[:-1], SECOND), (BURST, 5 * SECOND), (BY_TRADE, None)]
)
def test_features_that_are_tried_are_known_at_the_end(
    names: list[str], every_us: int | None
) -> None:
    last = features(names, every_us, 1, []).row(-1)
    assert [name for name, value in zip(names, last, strict=True) if value is None] == []


@pytest.mark.parametrize("every_us", [SECOND, None])
def test_no_feature_is_ever_not_a_number(every_us: int | None) -> None:
    names = ON_A_GRID if every_us else BY_TRADE
    for seed in range(20):
        found = features(names, every_us, seed, [])
        assert found.select(pl.all().is_nan().any()).row(0) == (False,) * len(names)
