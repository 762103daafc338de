"""`cryptoctopus batch` as a user runs it, on a real cluster, interrupted and killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from pipeline.batch.folder import BatchFolder
from tests.cluster.conftest import RecordedRun
from tests.commands import Command
from tests.pipeline.batch.histories import CONFIG, contents, market, run_here, table, write_dump
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

Start = Callable[..., Command]


def inputs(folder: Path, *, rows: int = 2_000, days: int = 5) -> list[Path]:
    """Two symbols, each with `days` files that continue one another."""
    paths = []
    for seed, symbol in enumerate(("BTCUSDT", "ETHUSDT")):
        history = market(rows * days, seed=seed)
        for day in range(days):
            path = folder / f"{symbol}-aggTrades-2023-11-{14 + day}.csv"
            paths.append(write_dump(path, history[day * rows : (day + 1) * rows]))
    return paths


def arguments(folder: Path, paths: list[Path], out: str, cluster: str) -> list[str]:
    config = folder / "batch.yaml"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json")))  # JSON is YAML
    files = [str(path) for path in paths]
    return ["batch", str(config), *files, "--out", str(folder / out), "--address", cluster]


def test_batch_writes_the_same_bytes_for_any_number_of_workers(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    paths = inputs(tmp_path, rows=500, days=3)
    one = command(*arguments(tmp_path, paths, "one", cluster), "--workers", "1", "--json")
    assert one.wait() == 0, one.errors
    two = command(*arguments(tmp_path, paths[::-1], "two", cluster), "--workers", "3")
    assert two.wait() == 0, two.errors
    found = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == found
    assert json.loads("".join(one.lines)) == json.loads(found["summary.json"])
    assert any("ETHUSDT" in line and "1,500" in line for line in two.lines)
    run_here(tmp_path / "here", *paths)
    here = contents(tmp_path / "here")
    tables = {name for name in here if name.endswith(".parquet") and name != "rejected.parquet"}
    assert len(tables) > 8
    assert all(here[name] == found[name] for name in tables)


@pytest.fixture(scope="module")
def undisturbed(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Return a folder with the results of a batch in `undisturbed`, and its inputs."""
    folder = tmp_path_factory.mktemp("batch")
    paths = inputs(folder)
    run = Command(*arguments(folder, paths, "undisturbed", cluster), log=folder / "log")
    try:
        assert run.wait() == 0, run.errors
    finally:
        run.end()
    return folder, paths


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_batch_that_was_killed_or_interrupted_goes_on_to_the_same_bytes(
    cluster: str,
    command: Start,
    undisturbed: tuple[Path, list[Path]],
    number: signal.Signals,
    code: int,
) -> None:
    folder, paths = undisturbed
    again = arguments(folder, paths, number.name, cluster)
    stopped = command(*again, "--workers", "1")
    markers = folder / number.name / ".parts"
    wait_until(lambda: len(list(markers.glob("symbol=*/*.json"))) >= 3, "finished parts")
    stopped._process.send_signal(number)
    assert stopped.wait() == code
    assert len(list(markers.glob("symbol=*/*.json"))) < 12
    assert not (folder / number.name / "summary.json").exists()
    resumed = command(*again)
    assert resumed.wait() == 0, resumed.errors
    assert contents(folder / number.name) == contents(folder / "undisturbed")


def test_batch_of_recorded_trades_makes_the_bars_of_a_live_run_of_them(
    cluster: str, command: Start, tmp_path: Path, recorded_run: RecordedRun
) -> None:
    files = [f"XRPETH={recorded_run.trades}", "--out", str(tmp_path / "out")]
    run = command("batch", str(recorded_run.config), *files, "--address", cluster)
    assert run.wait() == 0, run.errors
    batch = table(tmp_path / "out", "bars")
    bars = recorded_run.bars.unique("open_time", keep="last", maintain_order=True)
    # No gap outlasts the windows: each second from that of the first trade to that of the last.
    assert batch.height == 213_558
    # The live clock goes on after the last trade.
    assert_frame_equal(bars.head(batch.height), batch, check_exact=True)


def test_batch_with_a_part_that_fails_names_it(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    paths = inputs(tmp_path, rows=100, days=1)
    BatchFolder(tmp_path / "out").open()
    (tmp_path / "out" / "bars").write_text("in the way")
    run = command(*arguments(tmp_path, paths[:1], "out", cluster))
    assert run.wait() == 1
    last = run.errors.splitlines()[-1]
    assert f"{paths[0]}, BTCUSDT: OutputError: {tmp_path / 'out' / 'bars'}" in last


def test_batch_with_a_damaged_file_names_it_and_reads_the_others(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    paths = inputs(tmp_path, rows=100, days=1)
    damaged = tmp_path / "SOLUSDT-aggTrades-2023-11-14.zip"
    damaged.write_bytes(b"PK\x03\x04 and no more")
    run = command(*arguments(tmp_path, [*paths, damaged], "out", cluster))
    assert run.wait() == 0, run.errors
    assert any(str(damaged) in line for line in run.errors.splitlines())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert set(summary["symbols"]) == {"BTCUSDT", "ETHUSDT"}
    assert [row["file"] for row in summary["damaged"]] == [str(damaged)]


def test_batch_with_times_far_ahead_says_how_many_trades_come_late_for_them(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    paths = inputs(tmp_path, rows=100, days=2)[:2]
    rows = market(200)
    for at in (48, 49):  # one alone is refuted by the next, and rejected
        rows[at] = rows[at]._replace(time_ms=rows[at].time_ms + 86_400_000)
    write_dump(paths[0], rows[:100])
    write_dump(paths[1], rows[100:])
    run = command(*arguments(tmp_path, paths, "out", cluster))
    assert run.wait() == 0, run.errors
    # All after the 50th, in the next file, too.
    assert "late symbol=BTCUSDT trades=150 of rows=200" in run.errors
    counts = json.loads((tmp_path / "out" / "summary.json").read_text())["symbols"]["BTCUSDT"]
    assert counts["late"] == 150
    assert any("late" in line for line in run.lines)
