"""`cryptoctopus explain` of a batch's alert, as a user runs it."""

from __future__ import annotations

import json
import math
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from actors.cli import main
from pipeline.config import Config
from pipeline.crosssection import CrossSection, cross_section_plan
from pipeline.schema import BARS, MARKET, TIME
from tests.pipeline import crash
from tests.pipeline.batch.histories import START_MS, Row, run_here, write_dump

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = Config.model_validate(
    {
        "symbols": ["BTCUSDT"],
        "features": ["realized_vol_1m"],
        "sampling": {"every": "1s"},
    }
)

#: A jump by 100 basis points after 800 seconds of returns of 10, up, up, down, down.
ALERT = f"BTCUSDT-multi_horizon-{START_MS // 1000 * 1_000_000 + 800_000_000}"


def jump(*, every_s: int = 1) -> list[Row]:
    """A trade each `every_s` seconds; the last one is at the jump."""
    rows, price = [], 10_000.0
    for at in range(800 // every_s):
        price *= math.exp((1, 1, -1, -1)[at % 4] * 1e-3)
        if at == 800 // every_s - 1:
            price *= math.exp(1e-2)
        time_ms = START_MS + (at + 1) * every_s * 1000 - 500
        rows.append(Row(at + 1, f"{price:.8f}", "1", time_ms))
    return rows


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    dump = write_dump(folder / "BTCUSDT-aggTrades-2023-11-14.csv", jump())
    run_here(folder / "out", dump, config=CONFIG)
    return folder / "out"


def explained(
    capsys: pytest.CaptureFixture[str], out: Path, alert: str = ALERT
) -> tuple[int, dict[str, Any]]:
    code = main(["explain", alert, "--from", str(out), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_explain_shows_each_return_and_the_scale_it_was_measured_by(
    capsys: pytest.CaptureFixture[str], batch: Path
) -> None:
    code, found = explained(capsys, batch)
    assert (code, found["same"], found["enter"], found["bars"]) == (0, True, 6.0, 800)
    # The newest 5 and 15 returns but for the jump make -10 basis points, the newest 30 make -20.
    # Over 5 and 15 steps all returns are of 10; over 30 of 20, 0, 20, 0.
    moves, scales, scores = [90.0, 90.0, 80.0], [10.0, 10.0, math.sqrt(200)], [9.0, 9.0, 5.65685]
    horizons = found["horizons"]
    assert [one["horizon_us"] for one in horizons] == [5_000_000, 15_000_000, 30_000_000]
    assert [one["move_bp"] for one in horizons] == pytest.approx(moves, abs=1e-4)
    assert [one["scale_bp"] for one in horizons] == pytest.approx(scales, abs=1e-3)
    assert [one["raw_scale_bp"] for one in horizons] == pytest.approx(scales, abs=1e-3)
    assert [one["score"] for one in horizons] == pytest.approx(scores, abs=1e-3)
    assert [one["samples"] for one in horizons] == [300, 300, 300]
    ends = [ALERT_US - one["horizon_us"] for one in horizons]
    assert [one["window_end_us"] for one in horizons] == ends
    assert [one["window_start_us"] for one in horizons] == [end - 300_000_000 for end in ends]
    assert found["peak_score"] == max(one["score"] for one in horizons)
    assert found["start_score"] == found["peak_score"] == found["alert"]["peak_score"]


ALERT_US = int(ALERT.rpartition("-")[2])


def test_explain_of_a_thin_market_shows_the_stretched_returns(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv", jump(every_s=4))
    config = CONFIG.model_copy(
        update={"detector": CONFIG.detector.model_copy(update={"window": 60_000_000})}
    )
    run_here(tmp_path / "out", dump, config=config)
    alert = pl.read_parquet(tmp_path / "out" / "alerts.parquet").row(0, named=True)
    code, found = explained(capsys, tmp_path / "out", alert["alert_id"])
    assert (code, found["same"]) == (0, True)
    # A trade in four seconds leaves a gap of 3.5 s: 3.5 of these fit into 20 s, not into 10.
    assert [one["horizon_us"] for one in found["horizons"]] == [20_000_000, 60_000_000, 120_000_000]
    assert found["peak_score"] == max(one["score"] for one in found["horizons"])


def test_explain_for_people_says_what_was_enough_and_that_it_is_the_same(
    capsys: pytest.CaptureFixture[str], batch: Path
) -> None:
    assert main(["explain", ALERT, "--from", str(batch)]) == 0
    text = capsys.readouterr().out
    assert "major, open" in text
    assert "score 9.000: 6 was enough" in text
    assert "+90.00" in text
    assert "300 returns, (22:21:35, 22:26:35]" in text
    assert "the same to the bit" in text


def test_explain_of_the_classic_score_shows_the_return_and_those_before_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv", jump())
    config = Config.model_validate(
        CONFIG.model_dump(mode="json") | {"detector": {"name": "zscore", "window": 120}}
    )
    run_here(tmp_path / "out", dump, config=config)
    alert = f"BTCUSDT-zscore-{ALERT_US}"
    code, found = explained(capsys, tmp_path / "out", alert)
    assert (code, found["same"], found["horizons"]) == (0, True, [])
    # Up, up, down, down by 10 basis points, 30 times; then a jump of 100 and 10 down.
    assert found["of_zscore"] == {
        "move_bp": pytest.approx(90.0, abs=1e-4),
        "mean_bp": pytest.approx(0.0, abs=1e-4),
        "deviation_bp": pytest.approx(10.0 * math.sqrt(120 / 119), abs=0.01),
        "samples": 120,
    }
    made = found["of_zscore"]
    assert found["peak_score"] == pytest.approx(
        (made["move_bp"] - made["mean_bp"]) / made["deviation_bp"], rel=1e-12
    )
    assert main(["explain", alert, "--from", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "return  +90.000 bp; of the 120 before it the mean is" in text
    assert "the deviation 10.042 bp" in text


def test_explain_by_bars_that_do_not_reach_back_says_null_in_json(
    capsys: pytest.CaptureFixture[str], batch: Path, tmp_path: Path
) -> None:
    shutil.copytree(batch, tmp_path / "out")
    for path in (tmp_path / "out" / "bars").rglob("*.parquet"):
        pl.read_parquet(path).tail(100).write_parquet(path)
    code = main(["explain", ALERT, "--from", str(tmp_path / "out"), "--json"])
    text = capsys.readouterr().out
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (code, found["same"]) == (1, False)
    assert (found["start_score"], found["peak_score"]) == (None, None)


def test_explain_of_changed_bars_says_that_they_do_not_repeat_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv", jump())
    run_here(tmp_path / "out", dump, config=CONFIG)
    path = min((tmp_path / "out" / "bars").rglob("*.parquet"))
    changed = pl.col("close") * pl.when(pl.int_range(pl.len()) == 700).then(1.0001).otherwise(1.0)
    pl.read_parquet(path).with_columns(changed).write_parquet(path)
    code, found = explained(capsys, tmp_path / "out")
    assert (code, found["same"]) == (1, False)
    assert main(["explain", ALERT, "--from", str(tmp_path / "out")]) == 1
    assert "was recorded: the bars do not reach" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("column", "recorded", "recomputed"),
    [
        ("direction", -1, 1),
        ("move_bp", 90.5, pytest.approx(90.0, abs=1e-4)),
        ("horizon_s", 15.0, 5.0),
        ("samples", 299, 300),
    ],
)
def test_explain_of_an_alert_that_says_anything_else_of_its_peak_tells_what(
    capsys: pytest.CaptureFixture[str],
    batch: Path,
    tmp_path: Path,
    column: str,
    recorded: float,
    recomputed: object,
) -> None:
    shutil.copytree(batch, tmp_path / "out")
    alerts = tmp_path / "out" / "alerts.parquet"
    frame = pl.read_parquet(alerts)
    frame.with_columns(pl.lit(recorded, dtype=frame.schema[column]).alias(column)).write_parquet(
        alerts
    )
    code, found = explained(capsys, tmp_path / "out")
    assert (code, found["same"]) == (1, False)
    assert found["differences"] == {column: [recorded, recomputed]}


@pytest.mark.parametrize(
    ("alert", "place", "problem"),
    [
        (ALERT, "nowhere", "expected the results of a batch, found no alerts.parquet"),
        (
            "BTCUSDT-multi_horizon-1",
            "out",
            "expected alert BTCUSDT-multi_horizon-1, found 1 others",
        ),
        (
            "MARKET-multi_horizon-1",
            "out",
            "expected an alert of a symbol, found MARKET-multi_horizon-1: a batch says nothing of",
        ),
    ],
)
def test_explain_that_cannot_be_done_says_why(
    capsys: pytest.CaptureFixture[str], batch: Path, alert: str, place: str, problem: str
) -> None:
    assert main(["explain", alert, "--from", str(batch.parent / place)]) == 2
    assert problem in capsys.readouterr().err


def test_explain_without_the_bars_behind_an_alert_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dump = write_dump(tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv", jump())
    run_here(tmp_path / "out", dump, config=CONFIG)
    max((tmp_path / "out" / "bars").rglob("*.parquet")).unlink()  # of the last bar
    assert main(["explain", ALERT, "--from", str(tmp_path / "out")]) == 2
    assert "expected the bar that ended at its start_time" in capsys.readouterr().err


@dataclass(frozen=True, slots=True)
class Running:
    """What a pipeline that runs would answer; it has alerts as a snapshot of it does."""

    alerts: pl.DataFrame
    told_bars: pl.DataFrame
    told_market: pl.DataFrame

    def snapshot(self, _since: int) -> Running:
        return self

    def bars(self) -> pl.DataFrame:
        return self.told_bars

    def market(self) -> pl.DataFrame:
        return self.told_market

    def config(self) -> Config:
        return crash.CONFIG


@pytest.fixture
def crashed(monkeypatch: pytest.MonkeyPatch) -> Running:
    """A pipeline whose market has fallen; its bars were restated, and 26 of them were made up."""
    plan, told = cross_section_plan(crash.CONFIG), crash.told()
    assert plan is not None
    result = CrossSection(plan, crash.ENTER).push(told.bars, told.features, told.alerts, 0)
    alerts = result.alerts.filter(symbol="MARKET").tail(1)
    peak, horizon = alerts.select("peak_time", "horizon_s").row(0)
    last_us = round(peak.timestamp() * crash.S) - crash.S
    made_up = [
        {"symbol": f"X{number:02}", "open_time": open_us, "close": close}
        for number in range(25)
        for open_us, close in (
            (last_us - round(horizon) * crash.S, 100.0),
            (last_us, 50.0),
            (last_us, 100.0 * math.exp(1e-2 + number * 1e-4)),  # told again
        )
    ]
    bars = pl.DataFrame(made_up).with_columns(pl.col("open_time").cast(TIME))
    running = Running(alerts, pl.concat([BARS.to_frame(), bars], how="diagonal"), result.market)

    @contextmanager
    def find(_address: str | None) -> Iterator[Running]:
        yield running

    monkeypatch.setattr("actors.explain.running_pipeline", find)
    return running


def test_explain_of_an_alert_of_the_market_shows_its_horizons_and_who_moved(
    capsys: pytest.CaptureFixture[str], crashed: Running
) -> None:
    alert = crashed.alerts["alert_id"].item()
    assert main(["explain", alert]) == 0
    text = capsys.readouterr().out
    assert "index 0.99" in text
    assert "10 returns, (" in text
    assert "4 of 4 symbols with a score reached their own threshold" in text
    assert "at the peak 4 have a return, the median of their scores is -12.400" in text
    # The newest of what was told of a bar counts: e^0.0124, the largest, and the 20th.
    assert "X24" in text
    assert "+124.00" in text
    assert "+105.00" in text
    assert "+104.00" not in text
    assert "and 5 more, which moved less" in text
    assert "recomputed from 62 steps since" in text  # up to the peak
    assert "the same to the bit" in text


def test_explain_of_an_alert_of_the_market_has_all_who_moved_in_json(
    capsys: pytest.CaptureFixture[str], crashed: Running
) -> None:
    assert main(["explain", crashed.alerts["alert_id"].item(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["same"]
    assert found["peak_score"] == crashed.alerts["peak_score"].item()
    assert (found["alert"]["exceeding"], found["movers"]["members"]) == (4, 4)
    assert found["movers"]["median_score"] == pytest.approx(-12.400, abs=1e-3)
    assert [move["symbol"] for move in found["movers"]["moves"]] == [
        f"X{number:02}" for number in range(24, -1, -1)
    ]


def test_explain_of_an_alert_of_the_market_whose_steps_are_gone_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, crashed: Running
) -> None:
    @contextmanager
    def find(_address: str | None) -> Iterator[Running]:
        yield Running(crashed.alerts, crashed.told_bars, MARKET.to_frame())

    monkeypatch.setattr("actors.explain.running_pipeline", find)
    assert main(["explain", crashed.alerts["alert_id"].item()]) == 2
    assert "expected the bar that ended at its start_time" in capsys.readouterr().err
