from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline import market_steps
from pipeline.config import Config
from pipeline.errors import ReplayError
from pipeline.evaluation.klines import minutes_config
from pipeline.evaluation.known_events import Event, read_events
from pipeline.evaluation.market import (
    MarketRun,
    overlapping,
    report_of,
    run_market,
    starting_at_edges,
)
from tests.pipeline.evaluation.minutes import MINUTE_US, minutes_us, write_minutes
from tests.recorded import DATA, needs_recordings

MINUTES = 720
CRASH = 500


def config(least: int = 3) -> Config:
    return minutes_config().model_copy(
        update={"market": minutes_config().market.model_copy(update={"min_symbols": least})}
    )


def event(first: int, last: int) -> Event:
    return Event("E", "made", minutes_us(first), minutes_us(last), "market_crash", "")


def crash(folder: Path, *coins: str) -> MarketRun:
    """Coins that move together, and fall by five percent at once."""
    files = [
        write_minutes(folder / f"{coin}_USDT-1m.json", MINUTES, jump=(CRASH, 0.95))
        for coin in coins
    ]
    return run_market(files, config())


def told(run: MarketRun) -> dict[str, Any]:
    return report_of(run, [], MINUTE_US)


def test_crash_of_all_is_one_alert_of_the_market(tmp_path: Path) -> None:
    report = told(crash(tmp_path, "A", "B", "C"))
    (alert,) = report["market"]
    assert report["symbols"] == ["AUSDT", "BUSDT", "CUSDT"]
    assert (report["days"], report["episodes"], report["folded"]) == (0.5, 3, 3)
    assert (alert["start"], alert["severity"]) == ("2023-11-15T08:21:00Z", "critical")
    assert (alert["exceeding"], alert["members"]) == (3, 3)
    assert alert["move_bp"] == pytest.approx(-513, abs=30)  # ln 0.95 and the walk


def test_months_that_are_longer_than_steps_can_wait_are_one_market(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_steps, "MAX_ROWS", MINUTES)
    assert told(crash(tmp_path, "A", "B", "C"))["folded"] == 3


def test_market_of_too_few_symbols_has_no_alert(tmp_path: Path) -> None:
    assert told(crash(tmp_path, "A", "B"))["market"] == []


def test_overlapping_is_an_episode_with_a_moment_in_common(tmp_path: Path) -> None:
    run = crash(tmp_path, "A", "B", "C")
    assert overlapping(event(CRASH - 9, CRASH + 1), run).height == 1
    assert overlapping(event(CRASH - 9, CRASH), run).height == 0
    (end_us,) = run.market["end_time"].to_physical()
    last = (end_us - minutes_us(0)) // MINUTE_US
    assert overlapping(event(last, last + 5), run).height == 1
    assert overlapping(event(last + 1, last + 5), run).height == 0


def test_starting_at_edges_reaches_before_and_after_an_outage(tmp_path: Path) -> None:
    run = crash(tmp_path, "A", "B", "C")
    for outage in (event(CRASH + 11, CRASH + 50), event(CRASH - 50, CRASH - 9)):
        assert starting_at_edges(outage, run, 10 * MINUTE_US).height == 1
        assert starting_at_edges(outage, run, 9 * MINUTE_US).height == 0


def test_report_counts_the_alerts_of_each_event_there_are_steps_of(tmp_path: Path) -> None:
    run = crash(tmp_path, "A", "B", "C")
    outage = replace(event(CRASH + 11, CRASH + 50), event_id="O", kind="outage")
    coin = replace(event(CRASH, CRASH + 9), kind="single_coin")
    told = report_of(run, [event(CRASH - 9, CRASH + 1), outage, coin], 10 * MINUTE_US)
    assert told["events"] == [
        {"event": "E", "kind": "market_crash", "alerts": 1},
        {"event": "O", "kind": "outage", "alerts": 1},
    ]
    assert run.covers(event(MINUTES - 1, MINUTES + 10))
    assert not run.covers(event(MINUTES, MINUTES + 10))


def test_files_of_one_symbol_are_joined_in_time_order(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    later = write_minutes(tmp_path / "A_USDT-1m.json", MINUTES, missing=range(400))
    first = write_minutes(tmp_path / "more" / "A_USDT-1m.json", 400)
    run = run_market([later, first], config())
    assert (run.symbols, run.days) == (("AUSDT",), 0.5)


def test_file_of_another_grid_is_refused(tmp_path: Path) -> None:
    file = write_minutes(tmp_path / "A_USDT-1m.json", 10)
    with pytest.raises(ReplayError, match="expected klines of 1s, found some of 1m"):
        run_market([file], Config.model_validate({"symbols": ["BTCUSDT"]}))


#: A few of the files of each set: against the same asset, and enough for a market.
MONTHS = {
    "klines-2021-05-19": ("BTC", "ETH", "XRP"),
    "klines-2021-09": ("AVAX_USDT", "LUNA_USDT", "SOL_USDT"),
    "klines-2024-08-05": ("BTC", "ETH"),
    "klines-isda-futures": ("AVAX*-202[45]", "FIL*-202[45]", "NEAR*-202[45]"),
}


@needs_recordings
@pytest.mark.parametrize("folder", MONTHS)
def test_recorded_crashes_are_alerts_of_the_market_and_outages_are_not(folder: str) -> None:
    names = MONTHS[folder]
    files = sorted(path for name in names for path in (DATA / folder).glob(f"{name}*"))
    run = run_market([str(path) for path in files], config(least=min(3, len(files))))
    events = [one for one in read_events(DATA / "events.csv") if one.set == folder]
    crashes = [one for one in events if one.kind == "market_crash"]
    assert crashes
    for one in crashes:
        assert overlapping(one, run).height >= 1, one.event_id
        own = run.alerts.filter(
            pl.col("symbol") != "MARKET",
            pl.col("direction") < 0,  # what follows is a rebound of some
            pl.col("start_time").dt.timestamp("us") <= one.end_us,
            pl.col("end_time").dt.timestamp("us") >= one.start_us,
        )
        assert own["parent_id"].count() >= own.height / 2, one.event_id
    for outage in (one for one in events if one.kind == "outage"):
        assert starting_at_edges(outage, run, 30 * MINUTE_US).is_empty()
