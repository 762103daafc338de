from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline.config import Config
from pipeline.evaluation.budgets import (
    budget_summary,
    budget_use,
    budgets_by_symbol,
    chance_beyond,
)
from pipeline.evaluation.klines import KlinesRun, minutes_config, run_klines
from pipeline.evaluation.known_events import (
    Event,
    alert_rates,
    alerts_at_outages,
    events_found,
    read_events,
)
from pipeline.evaluation.months import ALL, months_report
from pipeline.evaluation.trade_off import budget_trade_off, episodes_of
from pipeline.schema import ALERTS
from tests.pipeline.evaluation.minutes import MINUTE_US, minutes_us
from tests.recorded import DATA, needs_recordings

DAY = 1440  # minutes


def budgeted() -> Config:
    return minutes_config(["detector.budget={minor: 2/d, major: 1/d, critical: 0.5/d}"])


def made(alerts: list[tuple[int, str]], days: int = 5) -> KlinesRun:
    """Twelve scores of 5 a day, all alike; alerts at minutes, ended a minute later."""
    score = np.ones(days * DAY)
    score[60::120] = 5.0
    rows = [
        {
            "alert_id": str(minute),
            "severity": severity,
            "start_time": minutes_us(minute),
            "end_time": minutes_us(minute + 1),
        }
        for minute, severity in alerts
    ]
    raw = pl.Schema(
        [(name, pl.Int64 if "_time" in name else kind) for name, kind in ALERTS.items()]
    )
    return KlinesRun(
        file="made/LIVE_USDT-1m.json",
        symbol="LIVEUSDT",
        rows=len(score),
        rejected=0,
        every_us=MINUTE_US,
        forward_fill_us=5 * MINUTE_US,
        end_us=minutes_us(1) + np.arange(len(score)) * MINUTE_US,
        close=np.where(score > 1.0, 101.0, 100.0),
        score=score,
        horizon_us=np.full(len(score), MINUTE_US),
        alerts=pl.DataFrame(rows, schema=raw, orient="row").cast(dict(ALERTS)),
        outages=(),
    )


def test_budget_use_counts_what_came_once_thresholds_were_in_force() -> None:
    before, after = 3 * DAY, 3 * DAY + 10
    run = made(
        [(before, "critical"), (after, "minor"), (after + 50, "major"), (after + 60, "critical")]
    )
    use = budget_use(run, budgeted().detector)
    # The first row stands for no time: row 4320 ends three days, of 7200.
    assert use["days"] == 2879 / DAY
    assert use["alerts"] == {"minor": 3, "major": 2, "critical": 1}
    assert use["per_day"]["minor"] == pytest.approx(1.5, rel=1e-3)
    assert use["times_budget"] == pytest.approx(
        {"minor": 0.75, "major": 1.0, "critical": 1.0}, rel=1e-3
    )
    levels = list(use["threshold"].values())
    assert levels == sorted(set(levels))
    assert levels[0] > 5.0  # which came twelve times a day


def test_budget_use_of_a_history_that_is_too_short_is_null() -> None:
    use = budget_use(made([(10, "minor")], days=3), budgeted().detector)
    assert (use["days"], use["alerts"]["minor"], use["per_day"]["minor"]) == (0.0, 0, None)
    assert use["threshold"] == {"minor": 6.0, "major": 8.0, "critical": 12.0}
    assert budget_summary([use]) == {"files": 0, "days": 0.0, "times_budget": None}


def test_budget_summary_is_of_the_files_with_a_day() -> None:
    detector = budgeted().detector
    short, one, two = made([], days=3), made([]), made([(4 * DAY, "minor")])
    summary = budget_summary([budget_use(run, detector) for run in (short, one, two)])
    assert summary["files"] == 2
    minor = {"mean": 0.125, "least": 0.0, "most": 0.25}
    assert summary["times_budget"]["minor"] == pytest.approx(minor, rel=1e-3)


def use(days: float, *alerts: int) -> dict[str, object]:
    """What budget_use says of a file, as far as a sum over files needs it."""
    return {"days": days, "alerts": dict(zip(("minor", "major", "critical"), alerts, strict=True))}


def test_budgets_by_symbol_are_of_the_sums_over_its_files() -> None:
    budget = budgeted().detector.budget
    assert budget is not None
    uses = [("B", use(10.0, 30, 4, 1)), ("A", use(4.0, 2, 2, 9)), ("B", use(6.0, 2, 0, 1))]
    told = budgets_by_symbol([*uses, ("C", use(0.0, 0, 0, 0))], budget)
    assert list(told["symbols"]) == ["A", "B"]
    assert told["symbols"]["B"] == {
        "files": 2,
        "days": 16.0,
        "alerts": {"minor": 32, "major": 4, "critical": 2},
        "expected": {"minor": 32.0, "major": 16.0, "critical": 8.0},
        "times_budget": {"minor": 1.0, "major": 0.25, "critical": 0.25},
    }
    # 9 where 2 were meant is beyond four times; a quarter is not beyond a quarter.
    of_critical = told["times_budget"]["critical"]
    assert (of_critical["least"], of_critical["most"], of_critical["mean"]) == (0.25, 4.5, 2.375)
    assert {name: row["beyond"] for name, row in told["times_budget"].items()} == {
        "minor": [],
        "major": [],
        "critical": ["A"],
    }
    # Of two expected: none, or nine and more; of eight: none or one, or 33 and more.
    assert of_critical["beyond_by_chance"] == pytest.approx(0.1355724 + 0.0030192, abs=1e-6)


def test_budgets_by_symbol_without_a_day_have_no_rate() -> None:
    budget = budgeted().detector.budget
    assert budget is not None
    nothing = {"symbols": {}, "times_budget": None}
    assert budgets_by_symbol([("A", use(0.0, 0, 0, 0))], budget) == nothing


def test_chance_beyond_is_that_of_poisson_counts() -> None:
    # 1 - e^-1 (1 + 1/2 + 1/6 + 1/24): none, or five and more.
    assert chance_beyond(1.0) == pytest.approx(0.3715394, abs=1e-6)
    assert chance_beyond(1000.0) == pytest.approx(0.0, abs=1e-9)


def test_budget_trade_off_of_a_rarer_budget_has_fewer_alerts() -> None:
    detector = minutes_config(["detector.enter=4"]).detector
    often, rare = budget_trade_off([], {"made": [made([])]}, detector, (20.0, 0.5))
    # Three days of twelve under the fixed score of 4, then twelve a day or none.
    assert (often["budget_per_day"], often["alerts_per_day"]) == (20.0, 12.0)
    assert rare["alerts_per_day"] == 36 / 5
    assert rare["events_found"] is None
    assert len(episodes_of(made([]), detector)) == 60


def test_months_report_has_what_was_asked_for() -> None:
    run = made([])
    plain = months_report([run], minutes_config(), None)
    assert plain.keys() == {run.file, ALL}
    assert plain[ALL].keys() == {"rates", "at_edges"}
    assert plain[ALL]["rates"] == alert_rates([run])
    assert plain[ALL]["at_edges"] == []
    assert "budget" not in plain[run.file]
    crash = Event("C", "made", minutes_us(55), minutes_us(65), "market_crash", "")
    never = Event("N", "made", minutes_us(10**6), minutes_us(10**6 + 5), "market_crash", "")
    known = months_report([run], minutes_config(), [crash, never])
    assert known[ALL].keys() == {*("rates", "at_edges", "events", "trade_off", "budget_trade_off")}
    assert [row["event"] for row in known[ALL]["events"]] == ["C"]
    both = months_report([run, replace(run, file="made/B")], budgeted(), None)
    assert both[ALL]["budget"]["files"] == 2
    assert both["made/B"]["budget"]["days"] > 1.9
    assert both[ALL]["budget_by_symbol"]["symbols"]["LIVEUSDT"]["files"] == 2


@needs_recordings
def test_budgets_of_a_recorded_month_are_kept_to_a_factor_of_four_and_its_crash_is_found() -> None:
    rates = "{minor: 0.5/d, major: 3/30d, critical: 1/30d}"
    config = minutes_config([f"detector.budget={rates}"])
    folder = DATA / "klines-2021-09"
    (run,) = run_klines([str(folder / "BTC_USDT-1m.json.gz")], config)
    assert [outage.bars for outage in run.outages] == [120]
    assert alerts_at_outages(run, config.detector.horizons[-1]) == []
    known = [event for event in read_events(DATA / "events.csv") if event.set == folder.name]
    (crash,) = events_found(known, {folder.name: [run]})
    assert (crash["event"], crash["found"]) == ("E05", True)
    times = budget_use(run, config.detector)["times_budget"]
    assert all(0.25 <= one <= 4.0 for one in times.values())
