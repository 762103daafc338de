"""The commands that measure detectors."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from actors.cli import main
from actors.evaluate import nab_table, seeds_of
from pipeline.config import Config
from pipeline.evaluation.ablation import CHANGES, SEEDS
from pipeline.evaluation.sim import CHOSEN_ON, REPORTED_ON, warning_about
from tests.pipeline.evaluation.minutes import write_minutes
from tests.recorded import DATA, needs_recordings


def test_evaluate_sim_reports_both_detectors_on_every_setting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", "sim", "--seeds", "700-700", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["seeds"], report["warning"]) == ([700], None)
    ours, classic = report["detectors"]["multi_horizon"], report["detectors"]["zscore"]
    at = "false_alarms_per_day_at_recall_0.8"
    assert ours[at] < classic[at] / 5
    for one in (ours, classic):
        assert {"wide_spread", "heavy_tails", "illiquid"} == one["settings"].keys()
        assert one["settings"]["illiquid"].keys() == {"3.3 s", "10 s", "33 s", "100 s"}
        assert 0.0 <= one["aftershock_recall"] <= 1.0
        assert one["median_latency_s"] <= 5.0


def test_evaluate_ablation_changes_one_choice_at_a_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_trade_name = "no uniform clock: the classic score, trade by trade"
    names = ("as it is", by_trade_name, "outliers stay", "no floor", "price step not known")
    few = {name: CHANGES[name] for name in names}
    monkeypatch.setattr("pipeline.evaluation.ablation.CHANGES", few)  # the others take as long
    assert main(["evaluate", "ablation", "--seeds", "700-700", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["seeds"] == [700]
    changes = report["changes"]
    as_it_is, untrimmed = changes["as it is"], changes["outliers stay"]
    by_trade = changes[by_trade_name]
    assert by_trade["false_alarms_per_day"] > 5 * as_it_is["false_alarms_per_day"]
    assert untrimmed["aftershock_recall"] < 0.5 < as_it_is["aftershock_recall"]
    # Whatever is changed, it is the same as the default where it says nothing.
    assert changes["no floor"]["false_alarms_per_day"] == as_it_is["false_alarms_per_day"]
    unknown = changes["price step not known"]
    assert as_it_is["coarse_episodes_per_day"] < 1.0
    assert unknown["coarse_episodes_per_day"] > 20.0
    assert unknown["thin_episodes_per_day"] == as_it_is["thin_episodes_per_day"]


def test_report_on_seeds_that_parameters_were_chosen_on_warns_of_them() -> None:
    assert warning_about(range(210, 214)) == "parameters were chosen on seeds 210, 211, too"
    assert warning_about(REPORTED_ON) is None


def test_table_of_the_benchmark_cuts_no_name_in_a_narrow_terminal() -> None:
    name = "a_detector_whose_name_is_longer_than_a_terminal_has_room_for"
    scores = {"standard": 12.34, "reward_low_FP_rate": 5.0, "reward_low_FN_rate": 6.0}
    rows = [{"detector": name, "scores": scores, "source": "published, scored anew"}]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(nab_table(rows))
    text = console.export_text()
    assert "…" not in text
    cells = (line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│"))
    assert "".join(cells) == name
    assert "12.34" in text


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_the_ablation_is_another_configuration(name: str) -> None:
    changed = Config.model_validate({"symbols": ["AUSDT"], **CHANGES[name]})
    default = Config.model_validate({"symbols": ["AUSDT"]})
    assert (changed == default) == (name == "as it is")


def test_seeds_that_are_reported_are_not_those_that_parameters_were_chosen_on() -> None:
    assert not set(REPORTED_ON) & set(CHOSEN_ON)
    assert list(seeds_of("7-9", REPORTED_ON)) == [7, 8, 9]
    assert seeds_of(None, REPORTED_ON) == REPORTED_ON
    assert set(SEEDS) <= set(CHOSEN_ON)


@pytest.mark.parametrize("text", ["7", "7-", "9-7", "1-101", "a-b"])
def test_seeds_that_are_no_range_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "sim", "--seeds", text]) == 2
    assert "expected" in capsys.readouterr().err


@needs_recordings
def test_evaluate_nab_reports_ours_beside_the_rescored_baselines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", "nab", "--data", str(DATA / "nab"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["detectors"]
    assert scores["windowedGaussian"]["standard"] == pytest.approx(39.65, abs=0.01)
    assert scores["null"]["standard"] == 0.0
    assert scores["multi_horizon"]["standard"] > 50.0
    assert scores["change_and_level"]["standard"] > 54.6


@needs_recordings
def test_evaluate_klines_reports_the_crash_and_the_outage_of_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(DATA / "klines-2021-05-19" / "BTC_USDT-1m.json.gz")
    page = tmp_path / "klines.html"
    assert main(["evaluate", "klines", file, "--json", "--html", str(page)]) == 0
    assert "Alerts in klines-2021-05-19" in page.read_text()
    one = json.loads(capsys.readouterr().out)[file]
    crash = [alert for alert in one["alerts"] if alert["start"].startswith("2021-05-19T1")]
    assert {alert["severity"] for alert in crash} >= {"critical"}
    (outage,) = [each for each in one["data_quality"] if each["kind"] == "outage"]
    assert (outage["start"], outage["bars"]) == ("2021-04-25T04:01:00Z", 284)


@needs_recordings
def test_evaluate_klines_with_budgets_and_events_tells_what_became_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [str(path) for path in sorted((DATA / "klines-2024-08-05").glob("*.feather"))]
    command = ["evaluate", "klines", *files, "--events", str(DATA / "events.csv"), "--set"]
    command.append("detector.budget={minor: 0.5/d, major: 3/30d, critical: 1/30d}")
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [report[file]["budget"]["alerts"]["minor"] for file in files] == [17, 17]
    means = {name: one["mean"] for name, one in report["all"]["budget"]["times_budget"].items()}
    assert all(0.5 < mean < 2.0 for mean in means.values())
    (event,) = report["all"]["events"]
    assert (event["event"], event["missed"]) == ("E06", [])
    assert main(command) == 0
    tables = capsys.readouterr().out
    assert "mean of 2" in tables
    by_symbol = report["all"]["budget_by_symbol"]["symbols"]
    assert [row["alerts"]["minor"] for row in by_symbol.values()] == [17, 17]
    assert re.search(r"BTCUSDT +│ 1 +│ 26\.\d │ 1\.\d\d \(17/13\.\d\)", tables)
    assert "by chance" in tables
    assert "What another budget a day is worth" in tables


def test_evaluate_klines_with_a_setting_that_is_none_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", "klines", "BTCUSDT-1m.csv", "--set", "detector.budget=1/d"]) == 2
    assert "evaluate klines: detector.budget: " in capsys.readouterr().err


def test_evaluate_klines_of_a_file_that_is_not_there_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "klines", str(tmp_path / "BTCUSDT-1m-2025-01.csv")]) == 2
    assert "BTCUSDT-1m-2025-01.csv" in capsys.readouterr().err


def test_evaluate_nab_without_its_data_says_what_it_wants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "nab", "--data", str(tmp_path)]) == 2
    assert "expected a file of the benchmark" in capsys.readouterr().err


def test_evaluate_market_tells_the_alerts_of_all_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = [
        write_minutes(tmp_path / f"{coin}_USDT-1m.json", 720, jump=(500, 0.95)) for coin in "AB"
    ]
    assert main(["evaluate", "market", *files, "--min-symbols", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["exceeding"] for one in report["market"]] == [2]
    assert main(["evaluate", "market", *files, "--min-symbols", "2"]) == 0
    text = capsys.readouterr().out
    assert "1 alerts of 2 symbols together in 0.5 days; 2 of 2 of single symbols" in text
    assert "2 of 2" in text
    assert main(["evaluate", "market", *files]) == 0
    assert "0 alerts of 2 symbols" in capsys.readouterr().out
