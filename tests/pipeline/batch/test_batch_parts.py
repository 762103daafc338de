"""Results depend on what is in the files, not on how they are cut, ordered or interrupted."""

from __future__ import annotations

import json
import os
import random
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.batch.fingerprint import config_digest
from pipeline.batch.folder import BatchFolder
from pipeline.batch.parts import run_part
from pipeline.batch.plan import plan_parts
from pipeline.batch.sources import look_at
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.schema import ALERTS, BARS, FEATURES_HEAD, FEATURES_TAIL, REJECTED, TRADES
from tests.pipeline.batch.histories import (
    CONFIG,
    START_MS,
    Row,
    contents,
    market,
    run_here,
    table,
    write_dump,
)

DAY = "BTCUSDT-aggTrades-2023-11-{:02d}.csv"


def dirty_market() -> list[Row]:
    """A jump, repeated rows, holes, steps back, halts, a new numbering, over two midnights."""
    chance = random.Random(5)  # noqa: S311 - a market, not a secret
    rows = market(500, seed=3, first_id=50_000, start_ms=START_MS - 90_000_000)
    new = market(2_000, seed=4, start_ms=START_MS + 6_300_000)
    rows += [row for row in new if row.trade_id % 97 or row.trade_id > 300]
    rows[-600:] = [row._replace(time_ms=row.time_ms + 200_000) for row in rows[-600:]]
    jumped = [f"{float(row.price) * 1.01:.2f}" for row in rows[-200:]]
    rows[-200:] = [
        row._replace(price=price) for row, price in zip(rows[-200:], jumped, strict=True)
    ]
    for _ in range(40):
        at = chance.randrange(len(rows) - 1)
        rows[at], rows[at + 1] = rows[at + 1], rows[at]
        rows.insert(at, rows[chance.randrange(at + 1)])
    return rows


ROWS = dirty_market()

#: Few trades may wait, so that holes are given up while there is more to come.
SMALL = Config.model_validate(
    {
        **CONFIG.model_dump(mode="json"),
        "overrides": {},
        "actors": {"max_held_trades": 1000},
        "detector": {
            "name": "zscore",
            "window": 20,
            "enter": 3.0,
            "exit": 1.0,
            "min_move_bp": 0.0,
        },
    }
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    path = write_dump(folder / DAY.format(14), ROWS)
    run_here(folder / "out", path, config=SMALL, chunk_rows=10_000)
    return folder / "out"


@settings(max_examples=15, deadline=None)
@given(chunk_rows=st.integers(20, 1_600))
def test_batch_in_any_chunks_writes_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, chunk_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = write_dump(folder / DAY.format(14), ROWS)
    run_here(folder / "out", path, config=SMALL, chunk_rows=chunk_rows)
    assert contents(folder / "out") == contents(whole)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, len(ROWS) - 1), max_size=4, unique=True))
@example(cuts=[680])  # before a row that one of an older numbering follows
def test_batch_of_any_cut_into_files_has_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    bounds = [0, *sorted(cuts), len(ROWS)]
    files = []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        rows = ROWS[start:stop]
        path = write_dump(folder / DAY.format(number), rows)
        files.append((rows[0].time_ms, rows[0].trade_id, path))
    in_order = [path for *_, path in sorted(files)] == [path for *_, path in files]
    if not in_order:  # a cut before a repeated old row makes another history
        return
    summary = run_here(folder / "out", *[path for *_, path in reversed(files)], config=SMALL)
    for name in ("bars", "features"):
        assert_frame_equal(table(folder / "out", name), table(whole, name), check_exact=True)
    expected = json.loads((whole / "summary.json").read_text())["symbols"]["BTCUSDT"]
    found = summary["symbols"]["BTCUSDT"]
    assert {**found, "files": None} == {**expected, "files": None}
    for name in ("rows", "duplicates", "lost", "backward_times"):
        counted = [report[name] for report in found["files"]]
        assert sum(counted) == expected["files"][0][name] > 0
    alerts = [pl.read_parquet(out / "alerts.parquet") for out in (folder / "out", whole)]
    assert_frame_equal(*alerts, check_exact=True)
    assert alerts[0].height > 0


def test_batch_of_every_trade_writes_the_same_bytes_in_any_chunks(tmp_path: Path) -> None:
    sampling = {"every": "trade"}
    raw = CONFIG.model_dump(mode="json", exclude={"overrides", "sampling"})
    config = Config.model_validate({**raw, "sampling": sampling})
    path = write_dump(tmp_path / DAY.format(14), ROWS)
    summary = run_here(tmp_path / "one", path, config=config, chunk_rows=10_000)
    run_here(tmp_path / "two", path, config=config, chunk_rows=33)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    row = summary["symbols"]["BTCUSDT"]
    bars = table(tmp_path / "one", "bars")
    assert bars["trades"].sum() == row["live"] - row["late"] > 2_000


def test_batch_writes_frames_of_the_schemas(whole: Path) -> None:
    bars = pl.scan_parquet(whole / "bars", hive_partitioning=True).collect()
    assert bars.drop("date").schema == BARS
    assert bars["date"].dtype == pl.Date
    assert (bars["date"] == bars["open_time"].dt.date()).all()
    features = table(whole, "features")
    named = dict.fromkeys(CONFIG.features, pl.Float64())
    covered = {"coverage_1m": pl.Float32()}
    assert features.schema == pl.Schema({**FEATURES_HEAD, **named, **covered, **FEATURES_TAIL})
    assert features.select("symbol", "open_time").equals(
        table(whole, "bars").select("symbol", "open_time")
    )
    assert pl.read_parquet(whole / "alerts.parquet").schema == ALERTS
    rejected = pl.read_parquet(whole / "rejected.parquet")
    assert rejected.schema == pl.Schema({"file": pl.String(), **REJECTED})


def files_of_days(folder: Path) -> list[Path]:
    rows = market(1_500)
    return [
        write_dump(folder / DAY.format(day), rows[day * 500 : (day + 1) * 500]) for day in range(3)
    ]


def marker(out: Path, number: int) -> Path:
    return out / ".parts" / "symbol=BTCUSDT" / f"{number:05d}.json"


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_batch_that_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    files = files_of_days(tmp_path)
    run_here(tmp_path / "undisturbed", *files)
    run_here(tmp_path / "out", *files, stop_after=stop_after)
    times = {
        number: marker(tmp_path / "out", number).stat().st_mtime_ns for number in range(stop_after)
    }
    run_here(tmp_path / "out", *files)
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    for number, changed_ns in times.items():
        assert marker(tmp_path / "out", number).stat().st_mtime_ns == changed_ns


def test_part_that_was_killed_leaves_nothing_half(tmp_path: Path) -> None:
    files = files_of_days(tmp_path)
    run_here(tmp_path / "undisturbed", *files)
    run_here(tmp_path / "out", *files, stop_after=1)
    folder = BatchFolder(tmp_path / "out")
    chains = plan_parts(
        [look_at(path, path.name, None) for path in files],
        part_rows=10**9,
        results_of=(config_digest(CONFIG),),
    )
    part = run_part(chains["BTCUSDT"][1], CONFIG, folder, chunk_rows=100)
    next(part)
    part.close()
    (tmp_path / "out/.parts/temporary/1-part-00001-000.parquet").write_text("half")
    stray = tmp_path / "out/bars/symbol=BTCUSDT/date=2023-11-20/part-00001-000.parquet"
    stray.parent.mkdir()
    stray.write_text("of a part without a marker")
    run_here(tmp_path / "out", *files)
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_batch_with_a_changed_file_does_it_and_what_follows_again(tmp_path: Path) -> None:
    files = files_of_days(tmp_path)
    run_here(tmp_path / "out", *files)
    before = [marker(tmp_path / "out", number).stat().st_mtime_ns for number in range(4)]
    os.utime(files[1], ns=(1, 1))
    run_here(tmp_path / "out", *files)
    after = [marker(tmp_path / "out", number).stat().st_mtime_ns for number in range(4)]
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, False, False]


def test_batch_with_a_file_added_or_taken_away_equals_one_of_those_files(tmp_path: Path) -> None:
    files = files_of_days(tmp_path)
    run_here(tmp_path / "two", *files[:2])
    run_here(tmp_path / "three", *files)
    run_here(tmp_path / "out", *files[:2])
    run_here(tmp_path / "out", *files)
    assert contents(tmp_path / "out") == contents(tmp_path / "three")
    run_here(tmp_path / "out", *files[:2])
    assert contents(tmp_path / "out") == contents(tmp_path / "two")


def test_batch_with_a_result_missing_makes_it_again(tmp_path: Path) -> None:
    files = files_of_days(tmp_path)
    run_here(tmp_path / "out", *files)
    before = contents(tmp_path / "out")
    next((tmp_path / "out/bars").rglob("part-00001-*.parquet")).unlink()
    run_here(tmp_path / "out", *files)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("pattern", ["bars/**/part-00001-*.parquet", ".parts/*/00001.state.arrow"])
def test_batch_with_a_result_cut_short_makes_it_again(tmp_path: Path, pattern: str) -> None:
    files = files_of_days(tmp_path)
    run_here(tmp_path / "out", *files)
    before = contents(tmp_path / "out")
    cut = next((tmp_path / "out").glob(pattern))
    cut.write_bytes(cut.read_bytes()[:-1])
    run_here(tmp_path / "out", *files)
    assert contents(tmp_path / "out") == before


def test_parquet_in_parts_has_the_rows_of_one(tmp_path: Path) -> None:
    rows = [
        {
            "symbol": symbol, "trade_id": row.trade_id, "first_id": row.trade_id,
            "last_id": row.trade_id, "event_time": row.time_ms * 1000,
            "receive_time": row.time_ms * 1000, "price": float(row.price),
            "quantity": float(row.quantity), "buyer_is_maker": True,
        }
        for row in market(900) for symbol in ("BTCUSDT", "ETHUSDT")
    ]  # fmt: skip
    times = {"event_time": pl.Int64, "receive_time": pl.Int64}
    path = tmp_path / "recording.parquet"
    pl.DataFrame(rows, schema_overrides=times).cast(dict(TRADES)).write_parquet(path)
    one = run_here(tmp_path / "one", path)
    many = run_here(tmp_path / "many", path, part_rows=500)
    assert many == one
    assert [one["symbols"][symbol]["live"] for symbol in one["symbols"]] == [900, 900]
    for name in ("bars", "features"):
        assert_frame_equal(
            table(tmp_path / "many", name).sort("symbol", "open_time"),
            table(tmp_path / "one", name).sort("symbol", "open_time"),
            check_exact=True,
        )


def test_batch_with_another_configuration_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    path = write_dump(tmp_path / DAY.format(1), market(10))
    run_here(tmp_path / "out", path)
    before = contents(tmp_path / "out")
    with pytest.raises(ConfigError, match="--force to start anew"):
        run_here(tmp_path / "out", path, config=SMALL)
    assert contents(tmp_path / "out") == before
    run_here(tmp_path / "out", path, config=SMALL, force=True)
    run_here(tmp_path / "new", path, config=SMALL)
    assert contents(tmp_path / "out") == contents(tmp_path / "new") != before


def test_batch_without_a_symbol_whose_results_are_there_is_refused(tmp_path: Path) -> None:
    files = files_of_days(tmp_path)
    other = tmp_path / files[0].name.replace("BTCUSDT", "ETHUSDT")
    other.write_bytes(files[0].read_bytes())
    run_here(tmp_path / "out", *files, other)
    before = contents(tmp_path / "out")
    with pytest.raises(ConfigError, match="expected the inputs of ETHUSDT too"):
        run_here(tmp_path / "out", *files)
    assert contents(tmp_path / "out") == before
    run_here(tmp_path / "out", *files, force=True)
    assert not any("ETHUSDT" in name for name in contents(tmp_path / "out"))


def test_batch_in_a_directory_with_a_damaged_record_asks_for_another(tmp_path: Path) -> None:
    files = files_of_days(tmp_path)
    run_here(tmp_path / "out", *files)
    (tmp_path / "out/.parts/run.json").write_text("")
    with pytest.raises(ConfigError, match="found those of a damaged record"):
        run_here(tmp_path / "out", *files)


def test_batch_in_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ConfigError, match="expected a new directory or one of a batch"):
        BatchFolder(tmp_path).open()
