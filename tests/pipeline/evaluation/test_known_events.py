from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ReplayError
from pipeline.evaluation.klines import KlinesRun, minutes_config, run_klines
from pipeline.evaluation.known_events import (
    Event,
    alert_rates,
    alerts_at_outages,
    events_found,
    read_events,
)
from pipeline.evaluation.trade_off import episodes_of, trade_off
from tests.pipeline.evaluation.minutes import MINUTE_US, minutes_us, write_minutes
from tests.recorded import DATA, needs_recordings

HEADER = "event_id,set,from_utc,to_utc,kind,evidence_in_the_file\n"
CRASH = Event("C", "made", minutes_us(500), minutes_us(510), "market_crash", "LIVE -5 %")
QUIET = Event("Q", "made", minutes_us(0), minutes_us(480), "quiet", "")


def _run(tmp_path: Path, *, crash: bool = True, missing: range = range(0)) -> KlinesRun:
    path = tmp_path / "LIVE_USDT-1m.json"
    jump = (500, 0.95) if crash else (-1, 1.0)
    (run,) = run_klines([write_minutes(path, 720, jump=jump, missing=missing)], minutes_config())
    return run


def test_read_events_unclosed_quote_ends_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    lines = (
        'E1,made,2023-11-15T08:20,2023-11-15T08:30,market_crash,"ETH -8.8%\n'
        'E2,made,2023-11-15T09:00,2023-11-15T09:01,single_coin,"XLM, up"\n'
    )
    path.write_text(HEADER + lines)
    first, second = read_events(path)
    assert first == Event(
        "E1", "made", minutes_us(500), minutes_us(510), "market_crash", "ETH -8.8%"
    )
    assert (second.event_id, second.evidence) == ("E2", "XLM, up")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n", "expected event_id,set"),
        (HEADER + "E1,made,soon,later,quiet,\n", "line 2: expected an event, found 'E1"),
        (HEADER + "E1\n", "line 2: expected an event, found 'E1'"),
    ],
)
def test_read_events_of_something_else_says_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(text)
    with pytest.raises(ReplayError, match=problem):
        read_events(path)


def test_events_found_alert_in_the_window_has_its_delay(tmp_path: Path) -> None:
    (row,) = events_found([CRASH, QUIET], {"made": [_run(tmp_path)]})
    assert row.pop("score") > 12
    assert row == {
        "event": "C",
        "set": "made",
        "kind": "market_crash",
        "found": True,
        "symbols": 1,
        "missed": [],
        "started": 1,
        "delay_s": 60.0,
    }


def test_events_found_without_an_alert_names_who_missed_it(tmp_path: Path) -> None:
    (row,) = events_found([CRASH], {"made": [_run(tmp_path, crash=False)]})
    assert (row["found"], row["missed"], row["score"]) == (False, ["LIVEUSDT"], None)


def test_events_found_of_another_coin_concerns_no_file(tmp_path: Path) -> None:
    other = Event("X", "made", minutes_us(500), minutes_us(510), "single_coin", "XLM +10 %")
    (row,) = events_found([other], {"made": [_run(tmp_path)]})
    assert (row["found"], row["symbols"]) == (False, 0)


def test_alert_rates_one_crash_in_half_a_day_is_two_a_day(tmp_path: Path) -> None:
    run = _run(tmp_path)
    row = alert_rates([run])
    assert (row["symbols"], row["days"], row["alerts"]) == (1, 0.5, 1)
    rates = (row["alerts_per_day"], row["major_per_30_days"], row["critical_per_30_days"])
    assert rates == (2.0, 60.0, 60.0)
    calm = alert_rates([run], (QUIET.start_us, QUIET.end_us))
    assert (calm["alerts"], calm["days"]) == (0, 480 / 1440)


def test_alert_rates_without_a_bar_are_null() -> None:
    assert alert_rates([])["alerts_per_day"] is None


def test_alerts_at_outages_within_reach_of_an_edge_are_told(tmp_path: Path) -> None:
    run = _run(tmp_path, missing=range(520, 525))
    (alert,) = run.alerts["alert_id"]
    assert alerts_at_outages(run, 20 * MINUTE_US) == [alert]
    assert alerts_at_outages(run, 19 * MINUTE_US) == []


def test_trade_off_higher_scores_find_less(tmp_path: Path) -> None:
    sets = {"made": [_run(tmp_path)]}
    low, high = trade_off([CRASH, QUIET], sets, minutes_config().detector, (6.0, 1e6))
    assert low == dict(
        enter=6.0,
        alerts_per_day=2.0,
        quiet_alerts_per_day=0.0,
        events_found=1.0,
        symbols_found=1.0,
    )
    assert (high["events_found"], high["symbols_found"]) == (0.0, 0.0)


def test_trade_off_enter_at_the_exit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected enter above exit 3, found 3"):
        trade_off([CRASH], {"made": [_run(tmp_path)]}, minutes_config().detector, (3.0,))


@needs_recordings
def test_known_events_of_august_2024_are_found_and_episodes_are_those_of_the_engine() -> None:
    config = minutes_config()
    folder = DATA / "klines-2024-08-05"
    runs = run_klines([str(path) for path in sorted(folder.glob("*.feather"))], config)
    (row,) = events_found(read_events(DATA / "events.csv"), {folder.name: runs})
    assert (row["event"], row["found"], row["missed"]) == ("E06", True, [])
    rates = alert_rates(runs)
    assert (rates["alerts"], round(rates["alerts_per_day"], 2)) == (113, 1.88)
    assert round(rates["critical_per_30_days"], 1) == 5.5
    for run in runs:
        assert episodes_of(run, config.detector) == run.spans_us()
