from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.crosssection import CrossSection, CrossSectionResult, cross_section_plan
from pipeline.schema import ALERTS, MARKET, RESIDUALS
from tests.pipeline.crash import ALONE, CONFIG, CRASH, ENTER, SECONDS, START_US, S, told


def crosssection() -> CrossSection:
    plan = cross_section_plan(CONFIG)
    assert plan is not None
    return CrossSection(plan, ENTER)


def whole() -> CrossSectionResult:
    all_rows = told()
    return crosssection().push(all_rows.bars, all_rows.features, all_rows.alerts, 0)


def newest(alerts: pl.DataFrame) -> pl.DataFrame:
    return alerts.sort("revision").unique("alert_id", keep="last").sort("alert_id")


def at(frame: pl.DataFrame, second: int) -> pl.DataFrame:
    return frame.filter(pl.col("open_time").dt.timestamp("us") == START_US + second * S)


def test_crash_is_one_alert_of_the_market_and_those_of_its_symbols_are_part_of_it() -> None:
    alerts = newest(whole().alerts)
    start_us = START_US + (CRASH + 1) * S
    market = alerts.filter(symbol="MARKET")
    name = f"MARKET-multi_horizon-{start_us}"
    told_of_it = market.select("alert_id", "scope", "status", "direction", "exceeding", "members")
    assert told_of_it.rows() == [(name, "market", "closed", -1, 4, 4)]
    parts = alerts.filter(parent_id=name)
    assert parts["symbol"].to_list() == sorted(ENTER)
    assert parts["scope"].unique().to_list() == ["market"]


def test_jump_of_one_symbol_is_its_own() -> None:
    alone = newest(whole().alerts).filter(
        pl.col("start_time").dt.timestamp("us") > START_US + 70 * S
    )
    assert alone.select("symbol", "scope", "parent_id").rows() == [("CUSDT", "idiosyncratic", None)]


def test_market_row_says_what_all_do() -> None:
    result, all_rows = whole(), told()
    assert result.market.schema == MARKET
    assert result.market.height == SECONDS
    row = at(result.market, CRASH).row(0, named=True)
    own = at(all_rows.features, CRASH)
    mean = np.mean(own["log_return"].to_numpy().astype(np.longdouble))
    assert abs(row["log_return"] - mean) <= 2.0**-59  # half a unit
    assert (row["members"], row["direction"], row["exceeding_frac"]) == (4, -1, 1.0)
    assert row["median_score"] == -own["score"].median()
    assert row["market_score"] > 10.0
    assert at(result.market, ALONE)["exceeding_frac"].item() == 0.25
    first = result.market.row(0, named=True)
    unknown = ("log_return", "market_score", "median_score", "exceeding_frac")
    assert [first[name] for name in unknown] == [None] * 4


def test_symbol_that_goes_the_other_way_does_not_exceed() -> None:
    all_rows = told()
    other_way = (pl.col("symbol") == "AUSDT") & (
        pl.col("open_time").dt.timestamp("us") == START_US + CRASH * S
    )
    turned = all_rows.features.with_columns(
        direction=pl.when(other_way).then(pl.lit(1, pl.Int8)).otherwise("direction")
    )
    result = crosssection().push(all_rows.bars, turned, all_rows.alerts, 0)
    assert at(result.market, CRASH)["exceeding_frac"].item() == 0.75


def test_share_that_exceeds_is_unknown_where_the_market_has_no_score() -> None:
    all_rows = told()
    unknown = pl.col("symbol").is_in(["AUSDT", "BUSDT"])
    few = all_rows.features.with_columns(
        log_return=pl.when(unknown).then(None).otherwise("log_return")
    )
    row = at(crosssection().push(all_rows.bars, few, all_rows.alerts, 0).market, CRASH)
    told_of_it = row.select("members", "market_score", "exceeding_frac")
    assert told_of_it.rows() == [(2, None, None)]


def test_residuals_are_small_in_the_crash_and_large_alone() -> None:
    result = whole()
    assert result.residuals.schema == RESIDUALS
    crash, alone = at(result.residuals, CRASH), at(result.residuals, ALONE)
    own = at(told().features, CRASH)
    assert own["score"].min() > 9.0
    assert crash.height == 4
    assert alone.filter(symbol="CUSDT")["residual_score"].item() > 20.0
    assert alone.filter(pl.col("symbol") != "CUSDT")["residual_score"].abs().max() < 6.0


def test_trade_by_trade_there_is_no_market() -> None:
    config = Config.model_validate(
        {"symbols": ["AUSDT"], "sampling": {"every": "trade"}, "features": ["realized_vol_1m"]}
    )
    assert cross_section_plan(config) is None


def test_symbols_that_enter_and_leave_are_expected_and_not() -> None:
    state, all_rows = crosssection(), told()
    early = pl.col("open_time").dt.timestamp("us") < START_US + 30 * S
    left = pl.col("symbol") != "DUSDT"
    state.push(all_rows.bars.filter(early), all_rows.features.filter(early), ALERTS.to_frame(), 0)
    state.expect({"EUSDT": 3.0, **dict.fromkeys(list(ENTER)[:3], 6.0)})
    later = all_rows.bars.filter(~early, left), all_rows.features.filter(~early, left)
    renamed = (frame.with_columns(pl.col("symbol").replace("AUSDT", "EUSDT")) for frame in later)
    both = [pl.concat(pair) for pair in zip(later, renamed, strict=True)]
    again = [frame.filter(pl.struct("symbol", "open_time").is_first_distinct()) for frame in both]
    result = state.push(*again, ALERTS.to_frame(), 0)
    assert at(result.market, CRASH)["members"].item() == 4
    assert at(result.residuals, CRASH)["symbol"].sort().to_list() == [
        "AUSDT",
        "BUSDT",
        "CUSDT",
        "EUSDT",
    ]
    assert state.late == 0


def test_symbol_that_nobody_expects_yet_has_a_part_in_the_market_and_exceeds_nothing() -> None:
    plan = cross_section_plan(CONFIG)
    assert plan is not None
    state, all_rows = CrossSection(plan, dict.fromkeys(list(ENTER)[:3], 6.0)), told()
    result = state.push(all_rows.bars, all_rows.features, all_rows.alerts, 0)
    expected = whole()
    same = ["open_time", "log_return", "members", "market_score", "median_score"]
    assert result.market.select(same).equals(expected.market.select(same))
    assert result.residuals.equals(expected.residuals)
    assert at(result.market, CRASH)["exceeding_frac"].item() == 0.75
    (market,) = newest(result.alerts).filter(symbol="MARKET").iter_rows(named=True)
    assert (market["exceeding"], market["members"]) == (3, 4)
    parts = newest(result.alerts).filter(parent_id=market["alert_id"])
    assert parts["symbol"].to_list() == sorted(ENTER)


def test_symbol_that_nobody_expects_yet_is_not_waited_for() -> None:
    plan = cross_section_plan(CONFIG)
    assert plan is not None
    state, all_rows = CrossSection(plan, dict.fromkeys(list(ENTER)[:3], 6.0)), told()
    second = (pl.col("open_time").dt.timestamp("us") - START_US) // S
    last, others = pl.col("symbol") == "DUSDT", pl.col("symbol") != "DUSDT"
    nothing = ALERTS.to_frame()
    first = second == 0
    state.push(all_rows.bars.filter(first), all_rows.features.filter(first), nothing, 0)
    rows = (second == 1) & others
    taken = state.push(all_rows.bars.filter(rows), all_rows.features.filter(rows), nothing, 0)
    assert taken.market["members"].to_list() == [3]
    state.expect(ENTER)
    rows = (second == 2) & others
    taken = state.push(all_rows.bars.filter(rows), all_rows.features.filter(rows), nothing, 0)
    assert taken.market.is_empty()
    rows = (second == 2) & last
    taken = state.push(all_rows.bars.filter(rows), all_rows.features.filter(rows), nothing, 0)
    assert taken.market["members"].to_list() == [3]  # its return at 2 spans more than a step


def test_alert_of_a_symbol_without_any_row_is_its_own() -> None:
    state, all_rows = crosssection(), told()
    stranger = all_rows.alerts.head(1).with_columns(symbol=pl.lit("EUSDT"))
    result = state.push(all_rows.bars, all_rows.features, stranger, 0)
    assert result.alerts.filter(symbol="EUSDT")["scope"].to_list() == ["idiosyncratic"]


def test_finish_tells_of_steps_that_waited() -> None:
    state, all_rows = crosssection(), told()
    some = pl.col("symbol") != "DUSDT"
    state.push(all_rows.bars.filter(some), all_rows.features.filter(some), ALERTS.to_frame(), 0)
    result = state.finish()
    assert (result.market.height, result.market["members"].max()) == (SECONDS, 3)
    assert result.alerts["symbol"].unique().to_list() == ["MARKET"]


@settings(max_examples=15)
@given(data=st.data())
def test_market_is_the_same_in_any_order_and_pieces_within_the_wait(data: st.DataObject) -> None:
    all_rows, expected = told(), whole()
    lags = data.draw(st.lists(st.integers(0, 1), min_size=4, max_size=4))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    second = np.arange(SECONDS).repeat(4)
    order = np.lexsort((random.random(len(second)), second + np.tile(lags, SECONDS)))
    # Each symbol tells its steps in turn.
    symbol = np.tile(np.arange(4), SECONDS)[order]
    for one in range(4):
        order[symbol == one] = np.sort(order[symbol == one])
    cuts = sorted({0, len(order), *data.draw(st.lists(st.integers(0, len(order)), max_size=40))})
    starts = all_rows.alerts.select(
        "symbol", open_time=pl.col("start_time") - pl.duration(seconds=1)
    )
    state, results = crosssection(), []
    for first, last in pairwise(cuts):
        bars, features = all_rows.bars[order[first:last]], all_rows.features[order[first:last]]
        here = starts.join(
            bars.select("symbol", "open_time", here=True),
            on=["symbol", "open_time"],
            how="left",
            maintain_order="left",
        )
        alerts = all_rows.alerts.filter(here["here"].fill_null(value=False))
        results.append(state.push(bars, features, alerts, 0))
    assert pl.concat([one.market for one in results]).equals(expected.market)
    by_symbol = ["open_time", "symbol"]
    assert (
        pl.concat([one.residuals for one in results])
        .sort(by_symbol)
        .equals(expected.residuals.sort(by_symbol))
    )
    assert newest(pl.concat([one.alerts for one in results])).equals(newest(expected.alerts))


def test_correlations_are_of_the_steps_that_were_taken() -> None:
    state, all_rows = crosssection(), told()
    assert state.correlations()["returns"].to_list() == []
    state.push(all_rows.bars, all_rows.features, ALERTS.to_frame(), 0)
    pairs = state.correlations()
    assert pairs["symbol"].unique(maintain_order=True).to_list() == ["AUSDT", "BUSDT", "CUSDT"]
    # Of two minutes the first ten seconds lack a return, and the last are not known to be whole.
    assert pairs["returns"].unique().to_list() == [10]
