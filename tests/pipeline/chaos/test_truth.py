"""What a pipeline told against what it should have: nothing more, and nothing less."""

from __future__ import annotations

import polars as pl
import pytest

from pipeline.analysis import StepResult, join_results
from pipeline.chaos.truth import Truth
from pipeline.schema import MARKET_SYMBOL
from tests.pipeline.test_engine import engine, noisy

S = 1_000_000


@pytest.fixture(scope="module")
def told() -> StepResult:
    made = engine(detector={"name": "zscore", "window": 20})
    trades = [noisy(150, jump_at=60), noisy(150, symbol="BUSDT", jump_at=90)]
    result = join_results([*(made.step(one) for one in trades), made.finish()])
    assert result.alerts["alert_id"].n_unique() == 2
    return result


def test_truth_has_the_bars_of_any_span_in_their_last_revision(told: StepResult) -> None:
    truth = Truth(told, S)
    assert truth.has_bars(told.bars)
    within = pl.int_range(pl.len()).over("symbol").is_between(10, 90)
    assert truth.has_bars(told.bars.filter(within))
    wrong = told.bars.with_columns(close=pl.col("close") + 1.0)
    restated = told.bars.with_columns(pl.lit(1, dtype=pl.Int32).alias("revision"))
    assert truth.has_bars(pl.concat([wrong, restated]))
    assert not truth.has_bars(pl.concat([told.bars, wrong]))


def test_truth_has_not_bars_of_which_some_are_missing(told: StepResult) -> None:
    truth = Truth(told, S)
    assert not truth.has_bars(told.bars.clear())
    assert not truth.has_bars(told.bars.gather_every(2))
    assert not truth.has_bars(told.bars.filter(pl.col("symbol") == "AUSDT"))


def test_alert_that_is_made_up_is_counted_unless_it_was_taken_back(told: StepResult) -> None:
    truth = Truth(told, S)
    made_up = told.alerts.head(1).with_columns(alert_id=pl.lit("X"))
    assert truth.count_unknown(told.alerts) == 0
    assert truth.count_unknown(pl.concat([told.alerts, made_up])) == 1
    taken_back = made_up.with_columns(status=pl.lit("retracted"))
    of_market = made_up.with_columns(symbol=pl.lit(MARKET_SYMBOL))
    assert truth.count_unknown(pl.concat([taken_back, of_market])) == 0


def test_alert_that_is_missing_is_counted_once_its_bar_was_told(told: StepResult) -> None:
    truth = Truth(told, S)
    first = told.alerts.filter(pl.col("symbol") == "AUSDT")
    assert truth.count_missed(told.alerts, told.bars) == 0
    assert truth.count_missed(first, told.bars) == 1
    taken_back = told.alerts.with_columns(status=pl.lit("retracted"))
    assert truth.count_missed(taken_back, told.bars) == 2
    start = told.alerts.filter(pl.col("symbol") == "BUSDT")["start_time"].min()
    before = told.bars.filter(pl.col("open_time").dt.offset_by("1s") < start)
    assert truth.count_missed(first, before) == 0
    until = told.bars.filter(pl.col("open_time").dt.offset_by("1s") <= start)
    assert truth.count_missed(first, until) == 1
