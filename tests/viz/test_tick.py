from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from pipeline.schema import TIME
from viz.tick import cell_frame, judge

#: 2025-01-01 00:00:00 UTC.
ZERO_US = 1_735_689_600_000_000


def known(
    *,
    price: float | None = 100.0,
    traded_s: float = 0.0,
    connected: bool | None = True,
    condition: str | None = None,
    volatility: float | None = 0.5,
    regime: str | None = "elevated",
    baseline: float | None = 0.4,
    book: tuple[float | None, float | None, float | None] = (None, None, None),
) -> pl.DataFrame:
    traded = None
    if price is not None:
        traded = dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=traded_s)
    return pl.DataFrame(
        {
            "last_price": [price],
            "last_trade_time": [traded],
            "connected": [connected],
            "condition": [condition],
            "volatility": [volatility],
            "score": [3.0],
            "direction": [-1],
            "regime": [regime],
            "baseline": [baseline],
            "elevated": [0.64],
            "bid": [book[0]],
            "ask": [book[1]],
            "imbalance": [book[2]],
        },
        schema_overrides={
            "last_price": pl.Float64,
            "last_trade_time": TIME,
            "connected": pl.Boolean,
            "condition": pl.String,
            "volatility": pl.Float64,
            "baseline": pl.Float64,
            "direction": pl.Int8,
            "regime": pl.String,
            "bid": pl.Float64,
            "ask": pl.Float64,
            "imbalance": pl.Float64,
        },
    )


def cell(frame: pl.DataFrame, *, now_s: float = 0.0, silent_s: float = 0.0) -> dict[str, object]:
    venue_us = ZERO_US + round(now_s * 1e6)
    return cell_frame(frame, venue_us=venue_us, silent_s=silent_s, stale_s=10.0).row(0, named=True)


def test_cell_that_trades_is_live_with_a_signed_score() -> None:
    assert cell(known(), now_s=0.3) == {
        "price": 100.0,
        "volatility": 0.5,
        "score": -3.0,
        "regime": 3,
        "baseline": 0.4,
        "elevated": 0.64,
        "age_s": 0.3,
        "state": "live",
        "spread_bp": None,
        "imbalance": None,
    }


def test_cell_tells_the_spread_in_basis_points_of_the_middle_and_the_imbalance() -> None:
    told = cell(known(book=(99.99, 100.01, 0.2345)))
    assert (told["spread_bp"], told["imbalance"]) == (2.0, 0.23)
    told = cell(known(book=(99.99, 100.01, None)))
    assert (told["spread_bp"], told["imbalance"]) == (2.0, None)


def test_cell_of_a_market_without_a_fresh_price_tells_nothing_of_its_book() -> None:
    book = (99.99, 100.01, 0.2)
    for frame, now_s in ((known(book=book, connected=False), 0.0), (known(book=book), 10.1)):
        told = cell(frame, now_s=now_s)
        assert (told["spread_bp"], told["imbalance"]) == (None, None)


def test_cell_ages_on_while_the_pipeline_is_silent() -> None:
    assert cell(known(), now_s=1.0, silent_s=2.5)["age_s"] == 3.5


def test_cell_with_a_trade_ahead_of_the_venue_clock_is_not_of_negative_age() -> None:
    assert cell(known(traded_s=1.0), now_s=0.0)["age_s"] == 0.0


@pytest.mark.parametrize(
    ("frame", "now_s", "expected"),
    [
        (known(price=None, connected=None), 0.0, "waiting"),
        (known(price=None, connected=True), 0.0, "waiting"),
        (known(connected=False), 0.0, "down"),
        (known(), 10.0, "live"),
        (known(), 10.1, "stale"),
        (known(volatility=None, baseline=None), 0.0, "warming"),
        (known(volatility=None), 0.0, "live"),
        (known(volatility=0.0), 0.0, "live"),
        (known(condition="stale"), 0.0, "stale"),
        (known(condition="slow"), 0.0, "slow"),
        (known(condition="healing"), 0.0, "healing"),
        (known(condition="healing"), 10.1, "stale"),
        (known(condition="skewed"), 0.0, "skewed"),
        (known(condition="lossy"), 0.0, "lossy"),
        (known(condition="halted"), 10.1, "halted"),
        (known(condition="halted"), 0.0, "live"),  # it has traded since
        (known(condition="quiet"), 10.1, "quiet"),
        (known(condition="quiet"), 0.0, "live"),
        (known(condition="live"), 10.1, "quiet"),  # not told yet
        (known(condition="delisted", connected=False), 10.1, "delisted"),
        (known(condition="outranked", price=None), 0.0, "outranked"),
        (known(condition="down", connected=False), 0.0, "down"),
    ],
)
def test_cell_state(frame: pl.DataFrame, now_s: float, expected: str) -> None:
    assert cell(frame, now_s=now_s)["state"] == expected


@pytest.mark.parametrize("condition", ["live", "halted", "quiet"])
def test_cell_of_a_pipeline_that_is_silent_is_stale_whatever_it_said(condition: str) -> None:
    assert cell(known(condition=condition), now_s=7.0, silent_s=3.5)["state"] == "stale"


@pytest.mark.parametrize(
    ("failure", "states", "silent_s", "venue_us", "expected"),
    [
        (None, ["live", "stale"], 0.0, 1, ("live", "1 stale")),
        (None, ["warming", "down"], 0.0, 1, ("live", "1 down")),
        (None, ["live", "quiet", "outranked", "delisted", "waiting"], 0.0, 1, ("live", "")),
        (None, ["halted", "live", "healing", "halted"], 0.0, 1, ("live", "1 healing, 2 halted")),
        (None, ["skewed", "skewed"], 0.0, 1, ("live", "2 skewed")),
        (None, ["lossy", "slow"], 0.0, 1, ("live", "1 slow, 1 lossy")),
        (None, ["quiet", "halted", "down"], 0.0, 1, ("stale", "no market trades")),
        ("gone", ["live"], 0.0, 1, ("offline", "gone")),
        (None, [], 0.0, None, ("starting", "waiting for the first trade")),
        (None, ["waiting"], 0.0, 1, ("starting", "waiting for the first trade")),
        (None, ["live"], 3.0, 1, ("live", "")),
        (None, ["live"], 4.0, 1, ("stale", "no report from the pipeline for 4 s")),
        (None, ["down", "stale"], 0.0, 1, ("stale", "no symbol has a live feed")),
    ],
)
def test_judge(
    failure: str | None,
    states: list[str],
    silent_s: float,
    venue_us: int | None,
    expected: tuple[str, str],
) -> None:
    found = judge(failure=failure, states=states, silent_s=silent_s, venue_us=venue_us)
    assert found == expected


@pytest.mark.parametrize(
    ("regime", "rank"),
    [(None, 0), ("calm", 1), ("normal", 2), ("elevated", 3), ("extreme", 4)],
)
def test_cell_tells_the_rank_of_a_regime(regime: str | None, rank: int) -> None:
    assert cell(known(regime=regime))["regime"] == rank
