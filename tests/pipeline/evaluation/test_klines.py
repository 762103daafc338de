from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipeline.config import Config
from pipeline.errors import ReplayError
from pipeline.evaluation.klines import evaluate_klines, minutes_config, run_klines
from pipeline.evaluation.known_events import alerts_at_outages
from tests.pipeline.evaluation.minutes import write_minutes
from tests.recorded import DATA, needs_recordings


def test_minutes_config_of_the_defaults_has_horizons_of_minutes() -> None:
    detector = minutes_config().detector.model_dump(mode="json")
    assert (detector["horizons"], detector["window"]) == (["5m", "15m", "30m"], "5h")


def test_evaluate_klines_planted_crash_is_one_critical_alert(tmp_path: Path) -> None:
    file = write_minutes(tmp_path / "LIVE_USDT-1m.json", 700, jump=(500, 0.95))
    told = evaluate_klines([file], minutes_config())[file]
    (alert,) = told["alerts"]
    assert (told["symbol"], told["bars"], told["data_quality"]) == ("LIVEUSDT", 700, [])
    assert (alert["start"], alert["severity"]) == ("2023-11-15T08:21:00Z", "critical")
    assert alert["move_bp"] == pytest.approx(-515, abs=30)
    assert json.loads(json.dumps(told)) == told


def test_evaluate_klines_missing_minutes_are_an_outage_and_no_alert(tmp_path: Path) -> None:
    # The price that comes after the outage is 5 % off the one before it.
    file = write_minutes(
        tmp_path / "LIVE_USDT-1m.json", 1200, missing=range(600, 720), jump=(650, 0.95)
    )
    told = evaluate_klines([file], minutes_config())[file]
    assert told["data_quality"] == [
        {
            "kind": "outage",
            "start": "2023-11-15T10:00:00Z",
            "end": "2023-11-15T12:00:00Z",
            "bars": 120,
        }
    ]
    assert (told["bars"], told["alerts"]) == (1080, [])


def test_evaluate_klines_crash_before_the_windows_are_full_is_no_alert(tmp_path: Path) -> None:
    file = write_minutes(tmp_path / "LIVE_USDT-1m.json", 400, jump=(200, 0.95))
    assert evaluate_klines([file], minutes_config())[file]["alerts"] == []


def test_evaluate_klines_several_files_tell_their_progress(tmp_path: Path) -> None:
    files = [write_minutes(tmp_path / f"{name}_USDT-1m.json", 50) for name in ("AAA", "BBB")]
    seen: list[tuple[int, int]] = []
    told = evaluate_klines(
        files, minutes_config(), progress=lambda done, count: seen.append((done, count))
    )
    assert (list(told), seen) == (files, [(1, 2), (2, 2)])


def test_evaluate_klines_another_grid_says_which(tmp_path: Path) -> None:
    file = write_minutes(tmp_path / "LIVE_USDT-1m.json", 50)
    seconds = Config.model_validate({"symbols": ["LIVEUSDT"]})
    with pytest.raises(ReplayError, match=r"1m\.json: expected .*every 1s, found some of 1m"):
        evaluate_klines([file], seconds)


def test_evaluate_klines_trades_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "LIVEUSDT-aggTrades-2023-11-15.csv"
    path.write_text("1,100.0,1.0,1,1,1700006400000,True,True\n")
    with pytest.raises(ReplayError, match="expected klines, found trades"):
        evaluate_klines([str(path)], minutes_config())


def test_evaluate_klines_broken_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "LIVE_USDT-1m.json"
    write_minutes(path, 50)
    rows = json.loads(path.read_text())
    rows[20][4] = -1.0
    path.write_text(json.dumps(rows))
    told = evaluate_klines([str(path)], minutes_config())[str(path)]
    outage, rejected = told["data_quality"]
    assert (told["bars"], outage["bars"]) == (49, 1)
    assert rejected == {"kind": "rejected", "rows": 1}


@needs_recordings
def test_run_klines_of_the_crash_of_may_2021_finds_it_and_keeps_still_at_the_outage() -> None:
    (run,) = run_klines([str(DATA / "klines-2021-05-19" / "BTC_USDT-1m.json.gz")], minutes_config())
    assert (run.rows, [outage.bars for outage in run.outages]) == (42_915, [284])
    assert alerts_at_outages(run, 30 * 60_000_000) == []
    assert (run.alerts["move_bp"].sign() == run.alerts["direction"]).all()
    of_day = run.alerts.filter(pl.col("start_time").dt.date() == date(2021, 5, 19))
    assert [
        (start.strftime("%H:%M"), severity, round(score, 1), round(move_bp))
        for start, severity, score, move_bp in of_day.select(
            "start_time", "severity", "peak_score", "move_bp"
        ).iter_rows()
    ] == [
        ("11:32", "major", 10.6, 558),
        ("12:50", "critical", 14.7, -1431),
        ("13:39", "major", 11.0, 1754),
    ]
    assert run.alerts.height == 30
