from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.config import Config
from pipeline.crosssection import CrossSection, CrossSectionResult, cross_section_plan
from pipeline.detect.config import MultiHorizonConfig
from pipeline.errors import ReplayError
from pipeline.explain_market import Move, explain_market
from pipeline.schema import ALERTS, BARS, TIME
from tests.pipeline.crash import CONFIG, CRASH, ENTER, SECONDS, START_US, S, told

NO_BARS = BARS.to_frame()
OPENED = pl.col("open_time").dt.timestamp("us")


def told_of(
    config: Config, bars: pl.DataFrame, features: pl.DataFrame
) -> tuple[dict[str, Any], CrossSectionResult]:
    """Return the alert of the market as it was told last, and all that was told."""
    plan = cross_section_plan(config)
    assert plan is not None
    result = CrossSection(plan, ENTER).push(bars, features, ALERTS.to_frame(), 0)
    alerts = result.alerts.filter(symbol="MARKET")
    return alerts.row(-1, named=True), result


def other(**detector: object) -> Config:
    raw = CONFIG.model_dump(mode="json") | {"detector": detector}
    return Config.model_validate(raw)


@cache
def crash() -> tuple[dict[str, Any], pl.DataFrame]:
    alert, result = told_of(CONFIG, told().bars, told().features)
    return alert, result.market


def test_alert_of_the_market_is_recomputed_from_its_rows_to_the_bit() -> None:
    alert, market = crash()
    found = explain_market(alert, market, NO_BARS, CONFIG)
    assert (found.same, found.bars, found.enter) == (True, SECONDS, 6.0)
    assert found.peak_score.hex() == alert["peak_score"].hex()
    assert [one.score for one in found.horizons] == [alert["peak_score"]]
    assert found.start_score == market["market_score"][CRASH]
    assert found.first_bar.timestamp() == START_US / S
    # All fell by 20 bp, and some noise of 1 bp.
    assert found.horizons[0].move_bp == pytest.approx(-20.0, abs=2.0)
    assert found.movers is not None
    assert (found.movers.members, found.movers.moves) == (4, ())
    assert found.movers.median_score == market["median_score"][CRASH + 1]  # the peak


def test_alert_of_the_market_is_the_same_whether_or_not_prices_have_a_tick() -> None:
    assert isinstance(CONFIG.detector, MultiHorizonConfig)
    ticked = CONFIG.model_copy(
        update={"detector": CONFIG.detector.model_copy(update={"tick": 1e9})}
    )
    alert, result = told_of(ticked, told().bars, told().features)
    assert explain_market(alert, result.market, NO_BARS, ticked).same


def test_classic_score_of_the_market_is_recomputed_too() -> None:
    config = other(name="zscore", window=20, exit=0.5)
    alert, result = told_of(config, told().bars, told().features)
    found = explain_market(alert, result.market, NO_BARS, config)
    assert found.same
    assert found.of_zscore is not None
    assert found.of_zscore.samples == 20


def test_alert_of_a_thin_market_is_recomputed_with_its_stretch() -> None:
    # Trades in every other second only: 3.5 gaps fit into 8 s, not into 4.
    traded = (OPENED - START_US) // S % 2 == 0
    bars = told().bars.with_columns(trades=pl.when(traded).then("trades").otherwise(0))
    # The median that the symbols have at each step agrees, whenever the stretched score comes.
    agreed = told().features.with_columns(score=pl.lit(9.0), direction=pl.lit(-1, pl.Int8))
    alert, result = told_of(CONFIG, bars, agreed)
    assert alert["horizon_s"] == 8.0
    assert explain_market(alert, result.market, NO_BARS, CONFIG).same
    unknown = result.market.with_columns(trades=pl.lit(None, pl.Int64))
    assert not explain_market(alert, unknown, NO_BARS, CONFIG).same


def test_alert_after_steps_that_nobody_told_is_recomputed_with_the_hole() -> None:
    second = (OPENED - START_US) // S
    gone = second.is_in([CRASH - 8, CRASH - 7, CRASH - 4])
    alert, result = told_of(CONFIG, told().bars.filter(~gone), told().features.filter(~gone))
    # Ten returns of two steps; each step that is missing takes those from it and to it.
    assert alert["samples"] < 10
    found = explain_market(alert, result.market, NO_BARS, CONFIG)
    assert (found.same, found.bars) == (True, SECONDS - 3)


def test_alert_of_a_market_without_counts_of_trades_is_recomputed_without() -> None:
    bars = told().bars.with_columns(trades=pl.lit(None, pl.Int64))
    alert, result = told_of(CONFIG, bars, told().features)
    assert result.market["trades"].null_count() == SECONDS
    assert explain_market(alert, result.market, NO_BARS, CONFIG).same


def test_row_that_is_another_one_is_told_as_a_difference() -> None:
    alert, market = crash()
    touched = pl.when(pl.int_range(pl.len()) == CRASH - 5).then(pl.col("close") * 1.00001)
    changed = market.with_columns(touched.otherwise("close").alias("close"))
    found = explain_market(alert, changed, NO_BARS, CONFIG)
    assert not found.same
    assert found.differences["peak_score"] == (alert["peak_score"], found.peak_score)


def test_rows_of_a_younger_index_are_never_taken_for_the_same() -> None:
    # A coordinator that was restarted tells steps from its own start on.
    alert, market = crash()
    found = explain_market(alert, market.tail(SECONDS - CRASH + 6), NO_BARS, CONFIG)
    assert not found.same
    # It begins at CRASH - 6; returns over two steps that end from CRASH - 4 to CRASH - 1 are known.
    assert found.differences["samples"] == (10, 4)


def test_rows_that_reach_no_further_back_than_windows_do_are_enough() -> None:
    alert, market = crash()
    # Returns over two steps, ten of them, each judged by the ten before it.
    found = explain_market(alert, market.tail(SECONDS - CRASH + 27), NO_BARS, CONFIG)
    assert (found.same, found.bars) == (True, SECONDS - CRASH + 27)


@pytest.mark.parametrize("since", [CRASH + 1, SECONDS])
def test_rows_that_begin_after_the_alert_are_an_error(since: int) -> None:
    alert, market = crash()
    with pytest.raises(ReplayError, match="expected the bar that ended at its start_time"):
        explain_market(alert, market.slice(since), NO_BARS, CONFIG)


def test_who_moved_is_told_from_close_to_close_over_what_the_peak_spans() -> None:
    alert, market = crash()
    assert (alert["peak_time"].timestamp(), alert["horizon_s"]) == (START_US / S + CRASH + 2, 2.0)
    closes = {
        CRASH - 1: {"AUSDT": 100.0, "BUSDT": 100.0, "CUSDT": 100.0, "EUSDT": 100.0, "FUSDT": 9.0},
        CRASH: {"AUSDT": 300.0},
        CRASH + 1: {"AUSDT": 99.0, "BUSDT": 102.0, "CUSDT": 99.0, "DUSDT": 50.0, "FUSDT": None},
    }
    rows = [
        {"symbol": symbol, "open_time": START_US + at * S, "close": close}
        for at, own in closes.items()
        for symbol, close in own.items()
    ]
    bars = pl.DataFrame(rows).with_columns(pl.col("open_time").cast(TIME))
    movers = explain_market(alert, market, bars, CONFIG).movers
    assert movers is not None
    # 1e4 ln 1.02 and 1e4 ln 0.99; the others are not known at both ends.
    assert movers.moves == (
        Move("BUSDT", pytest.approx(198.0263, abs=1e-4)),
        Move("AUSDT", pytest.approx(-100.5034, abs=1e-4)),
        Move("CUSDT", pytest.approx(-100.5034, abs=1e-4)),
    )


def test_market_rows_tell_the_index_and_the_trades_of_its_members() -> None:
    _, market = crash()
    assert market["close"].null_count() == market["log_return"].null_count() == 1
    # The index is what the mean returns add up to.
    total = np.cumsum(market["log_return"].drop_nulls().to_numpy())
    assert market["close"].drop_nulls().log().to_numpy() == pytest.approx(total, abs=1e-15)
    assert market["trades"].to_list() == [None, *[4] * (SECONDS - 1)]
