"""Whatever was missing when bars were published, in the end all is as if it had never been."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from pipeline.analysis import StepResult
from pipeline.config import Config
from pipeline.durations import SECOND
from pipeline.engine import ShardEngine
from tests.properties.test_engine_properties import (
    CONFIGS,
    NONE,
    SYMBOLS,
    end_us,
    market,
    pace,
    undisturbed,
)


def live(config: Config) -> Config:
    sampling = config.sampling.model_copy(update={"restate_within": 70 * SECOND * pace(config)})
    return config.model_copy(update={"sampling": sampling})


def last_told(results: list[StepResult]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Bars and features as last told, and the alerts that stand; without revisions."""
    bars = pl.concat([result.bars for result in results])
    features = pl.concat([result.features for result in results])
    alerts = pl.concat([result.alerts for result in results])
    rows = ["symbol", "open_time"]
    return (
        bars.unique(rows, keep="last").sort(rows).drop("revision"),
        features.unique(rows, keep="last").sort(rows),
        alerts.unique("alert_id", keep="last")
        .filter(pl.col("status") != "retracted")
        .sort("alert_id")
        .drop("revision"),
    )


class Disturbed:
    """An engine that is fed with a market of which much goes missing, and comes after all."""

    def __init__(self, config: Config, trades: pl.DataFrame, seed: int) -> None:
        self.config = config
        self.trades = trades
        self.random = np.random.default_rng(seed)
        self.engine = self.started()
        self.restarts = 0
        self.told: list[StepResult] = []

    def started(self) -> ShardEngine:
        return ShardEngine(SYMBOLS, live(self.config), restates=True)

    def of(self, symbol: str, first_id: int, last_id: int) -> pl.DataFrame:
        wanted = pl.col("trade_id").is_between(first_id, last_id)
        return self.trades.filter(pl.col("symbol") == symbol, wanted)

    def play(self) -> None:
        first = pl.col("trade_id") == 1000  # before it there is nothing to miss
        dropped = pl.Series(self.random.random(self.trades.height) < 0.1)
        arrived = self.trades.filter(first | ~dropped)
        at = 0
        while at < arrived.height:
            size = int(self.random.integers(1, 60))
            part = arrived.slice(at, size)
            at += size
            if self.random.random() < 0.3:
                part = part.sample(fraction=1.0, shuffle=True, seed=int(self.random.integers(100)))
                if (part["trade_id"] == 1000).any():  # a symbol starts with whatever comes first
                    part = part.sort("trade_id", maintain_order=True)
            if self.random.random() < 0.3 and at > size:
                part = pl.concat(
                    [part, arrived.slice(0, at - size).sample(3, seed=at, with_replacement=True)]
                )
            self.told.append(self.engine.step(part))
            self.disturb(int(part["event_time"].to_physical().to_numpy().max()))
        self.settle()

    def disturb(self, now_us: int) -> None:
        choice = self.random.random()
        for symbol, holes in self.engine.holes().items():
            if choice < 0.3:
                self.engine.give_up(symbol, holes[0][1])
            elif choice < 0.5:
                fetched = self.of(symbol, *holes[-1])
                self.told.append(self.engine.step(NONE, backfilled=fetched))
        if choice > 0.7:
            # The clock closes bars whose last trades nobody knows to be missing.
            self.told.append(self.engine.step(NONE, clock_us=now_us))
        for symbol, lost in self.engine.lost().items():
            if self.random.random() < 0.3:
                first_id, last_id = lost[int(self.random.integers(len(lost)))]
                found = self.of(symbol, first_id, int(self.random.integers(first_id, last_id + 1)))
                self.told.append(self.engine.step(NONE, backfilled=found))

        if self.random.random() < 0.1:
            self.restart(now_us)

    def restart(self, now_us: int) -> None:
        """Go on from a snapshot; holes stay open, and are healed by the next engine.

        What can be restated does not outlive an engine. So bars that were told without a trade
        come right before: what is lost is found, what nobody knew to be missing, and what of the
        holes is of bars that the clock had closed before they were known.
        """
        progress, lost, holes = self.engine.progress(), self.engine.lost(), self.engine.holes()
        bars = pl.concat([one.bars for one in self.told])
        found = []
        for symbol in SYMBOLS:
            last_id = progress[symbol].last_id
            if last_id is not None:
                rest = self.of(symbol, last_id + 1, 10**9)
                found.append(rest.filter(pl.col("event_time").to_physical() <= now_us))
            found += [self.of(symbol, *ids) for ids in lost.get(symbol, [])]
            told = bars.filter(pl.col("symbol") == symbol)["open_time"].max()
            if told is not None:
                missing = [NONE, *(self.of(symbol, *ids) for ids in holes.get(symbol, []))]
                end = pl.lit(told) + pl.duration(microseconds=self.config.sampling.step_us)
                found.append(pl.concat(missing).filter(pl.col("event_time") < end))
        self.told.append(self.engine.step(NONE, backfilled=pl.concat([NONE, *found])))
        snapshot = self.engine.snapshot()
        self.engine = self.started()
        self.engine.restore(snapshot)
        self.restarts += 1

    def settle(self) -> None:
        for symbol in SYMBOLS:
            if self.random.random() < 0.5:
                # The tail is given up, and bars close without it, before it is found.
                mine = self.trades.filter(pl.col("symbol") == symbol)
                self.engine.expect(symbol, 1000, int(mine["trade_id"].to_numpy().max()))
                self.engine.give_up(symbol, int(mine["trade_id"].to_numpy().max()))
        self.told.append(self.engine.step(NONE, clock_us=end_us(self.config)))
        for symbol in SYMBOLS:
            mine = self.trades.filter(pl.col("symbol") == symbol)
            self.told.append(self.engine.step(NONE, backfilled=mine))
        self.told.append(self.engine.step(NONE, clock_us=end_us(self.config)))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), schedule=st.integers(0, 10**6))
@example(seed=162, schedule=2404)  # a hole in a bar that was told before it was known
def test_engine_after_any_loss_repeat_disorder_restart_and_backfill_says_the_same(
    config: Config, seed: int, schedule: int
) -> None:
    trades = market(seed, config)
    disturbed = Disturbed(config, trades, schedule)
    disturbed.play()
    event(f"restarts: {min(disturbed.restarts, 3)}")
    health = disturbed.engine.health(venue_us=None)
    assert health["lost"].to_list() == health["pending"].to_list() == [0, 0, 0]
    ids = (health["last_id"] - health["first_id"] + 1).to_list()
    assert (health["live"] + health["backfilled"]).to_list() == ids
    assert health["late"].to_list() == [0, 0, 0]
    expected = last_told(undisturbed(trades, config))
    for left, right in zip(last_told(disturbed.told), expected, strict=True):
        assert left.equals(right, null_equal=True)
