"""However trades arrive, the engine says the same, to the last bit."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis import StepResult
from pipeline.config import Config
from pipeline.durations import SECOND
from pipeline.engine import ShardEngine
from pipeline.schema import TRADES
from tests.pipeline.trades import START_US, trades_frame

SYMBOLS = ["AUSDT", "BUSDT", "CUSDT"]
EPISODES = {
    "enter": 3.0,
    "exit": 1.0,
    "min_move_bp": 0.0,
    "hold": "3s",
    "cool_down": "5s",
    "severity": {"major": 4.0, "critical": 5.0},
}
DETECTORS = {
    "zscore": {"name": "zscore", "window": 20},
    # Trades are a second apart or so: these horizons are stretched by 2 or 4.
    "multi_horizon": {"name": "multi_horizon", "horizons": ["2s", "4s"], "window": "10s"},
}
CONFIGS = {
    name: Config.model_validate(
        {
            "symbols": SYMBOLS,
            "features": ["realized_vol_10s", "realized_vol_30s", "ewma_vol_10s"],
            "detector": {**detector, **EPISODES},
        }
    )
    for name, detector in DETECTORS.items()
}
#: An hour in the place of a second: budgets count whole days.
CONFIGS["budget"] = Config.model_validate(
    {
        "symbols": SYMBOLS,
        "sampling": {"every": "1h"},
        "features": ["realized_vol_10h"],
        "detector": {
            **DETECTORS["zscore"],
            **EPISODES,
            "exit": 0.1,
            "hold": "0s",
            "cool_down": "0s",
            "budget": {"minor": "2/d", "major": "1/d", "critical": "0.2/d"},
        },
    }
)
NONE = TRADES.to_frame()


def pace(config: Config) -> int:
    """How many times slower than a trade a second or so its market is."""
    return (config.sampling.step_us or SECOND) // SECOND


def end_us(config: Config) -> int:
    """When all there is has ended."""
    return START_US + 130 * SECOND * pace(config)


def market(seed: int, config: Config) -> pl.DataFrame:
    """Three symbols, two minutes or as many hours, heavy tails, in order of time."""
    random = np.random.default_rng(seed)
    rows = []
    for symbol in SYMBOLS:
        count = int(random.integers(60, 200))
        seconds = np.sort(random.uniform(0, 120, count)) * pace(config)
        price = 100 * np.exp(np.cumsum(random.standard_t(3, count) * 2e-4))
        quantity = random.integers(1, 10**10, count) / 1e8
        rows += [
            (symbol, 1000 + at, float(seconds[at]), float(price[at]), float(quantity[at]))
            for at in range(count)
        ]
    return trades_frame(rows).sort("event_time", maintain_order=True)


def told(results: list[StepResult]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Bars and features by symbol and time, and every alert in its last state."""
    bars = pl.concat([result.bars for result in results]).sort("symbol", "open_time")
    features = pl.concat([result.features for result in results]).sort("symbol", "open_time")
    alerts = pl.concat([result.alerts for result in results]).sort("alert_id", "revision")
    return bars, features, alerts.unique("alert_id", keep="last").sort("alert_id")


def assert_same(one: list[StepResult], other: list[StepResult]) -> None:
    for left, right in zip(told(one), told(other), strict=True):
        assert bits(left) == bits(right)


def bits(frame: pl.DataFrame) -> list[object]:
    """Every value, floats by their bits: zeros of either sign are not the same."""
    return [
        [column.is_null().to_list(), column.fill_null(0.0).to_numpy().tobytes()]
        if column.dtype.is_float()
        else column.to_list()
        for column in frame
    ]


def undisturbed(trades: pl.DataFrame, config: Config) -> list[StepResult]:
    engine = ShardEngine(SYMBOLS, config)
    return [engine.step(trades), engine.step(NONE, clock_us=end_us(config))]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_engine_of_any_chunking_says_the_same(
    config: Config, seed: int, data: st.DataObject
) -> None:
    trades = market(seed, config)
    cuts = sorted(data.draw(st.lists(st.integers(0, trades.height), max_size=8)))
    engine = ShardEngine(SYMBOLS, config)
    edges = [0, *cuts, trades.height]
    parts = [
        engine.step(trades.slice(start, end - start)) for start, end in itertools.pairwise(edges)
    ]
    assert_same([*parts, engine.step(NONE, clock_us=end_us(config))], undisturbed(trades, config))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(SYMBOLS), split=st.integers(1, 2))
def test_engine_of_any_shard_split_says_the_same(
    config: Config, seed: int, order: list[str], split: int
) -> None:
    trades = market(seed, config)
    results = []
    for symbols in (order[:split], order[split:]):
        engine = ShardEngine(symbols, config)
        mine = trades.filter(pl.col("symbol").is_in(symbols))
        results += [engine.step(mine), engine.step(NONE, clock_us=end_us(config))]
    assert_same(results, undisturbed(trades, config))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_engine_after_any_drop_repeat_and_backfill_says_the_same(
    config: Config, seed: int, data: st.DataObject
) -> None:
    trades = market(seed, config)
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    # A symbol's first trade is never missed: before it there is nothing to miss.
    first = pl.col("trade_id") == 1000
    dropped = pl.Series(random.random(trades.height) < 0.1)
    arrived = trades.filter(first | ~dropped)
    arrived = pl.concat([arrived, arrived.sample(5, seed=seed)])  # repeats, much later
    engine = ShardEngine(SYMBOLS, config)
    results = []
    for part in arrived.iter_slices(max(1, arrived.height // 4)):
        results.append(engine.step(part))
        missing = [
            trades.filter((pl.col("symbol") == symbol) & pl.col("trade_id").is_between(*hole))
            for symbol, holes in engine.holes().items()
            for hole in holes
        ]
        if missing and random.random() < 0.7:
            results.append(engine.step(NONE, backfilled=pl.concat(missing)))
    for symbol in SYMBOLS:
        # The tail: what the newest id over REST shows after the last live trade.
        mine = trades.filter(pl.col("symbol") == symbol)
        results.append(engine.step(NONE, backfilled=mine))
    results.append(engine.step(NONE, clock_us=end_us(config)))
    assert_same(results, undisturbed(trades, config))
    health = engine.health(venue_us=None)
    assert health["pending"].to_list() == [0, 0, 0]
    assert health["lost"].to_list() == [0, 0, 0]
    ids = (health["last_id"] - health["first_id"] + 1).to_list()
    assert (health["live"] + health["backfilled"]).to_list() == ids


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_engine_restored_anywhere_from_shards_of_any_split_says_the_same(
    config: Config, seed: int, data: st.DataObject
) -> None:
    trades = market(seed, config)
    cut = data.draw(st.integers(0, trades.height))
    split = data.draw(st.integers(1, 2))
    results, snapshots = [], []
    for symbols in (SYMBOLS[:split], SYMBOLS[split:]):
        engine = ShardEngine(symbols, config)
        mine = trades.head(cut).filter(pl.col("symbol").is_in(symbols))
        results.append(engine.step(mine))
        snapshots.append(engine.snapshot())
    engine = ShardEngine(SYMBOLS, config)
    engine.restore(pl.concat(snapshots))
    results += [engine.step(trades.slice(cut)), engine.step(NONE, clock_us=end_us(config))]
    assert_same(results, undisturbed(trades, config))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_market_of_these_properties_does_raise_alerts(config: Config) -> None:
    _, features, alerts = told(undisturbed(market(1, config), config))
    assert features["score"].is_not_null().sum() > 100
    assert alerts.height > 3


def test_market_of_these_properties_is_stretched_in_part() -> None:
    config = CONFIGS["multi_horizon"]
    _, features, _ = told(undisturbed(market(1, config), config))
    spans = set(features.filter(pl.col("score").is_not_null())["horizon_s"])
    assert spans == {4.0, 8.0, 16.0}


def test_market_of_these_properties_has_budgets_in_force() -> None:
    config = CONFIGS["budget"]
    engine = ShardEngine(SYMBOLS, config)
    engine.step(market(1, config))
    engine.step(NONE, clock_us=end_us(config))
    in_force = engine.health(venue_us=None).select("enter", "major", "critical")
    assert all(one != (3.0, 4.0, 5.0) for one in in_force.iter_rows())
