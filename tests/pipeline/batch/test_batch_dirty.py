"""What is wrong with a file is told, and corrupts no window."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.pipeline.batch.histories import START_MS, Row, market, run_here, table, write_dump

CLEAN = market(2_000)
NAME = "BTCUSDT-aggTrades-2023-11-14.csv"


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    run_here(folder / "out", write_dump(folder / NAME, CLEAN))
    return folder / "out"


def reported(out: Path, path: Path) -> dict[str, Any]:
    run_here(out, path)
    summary = json.loads((out / "summary.json").read_text())
    (report,) = summary["symbols"]["BTCUSDT"]["files"]
    return report  # type: ignore[no-any-return]  # decoded JSON


def found(report: dict[str, Any]) -> dict[str, Any]:
    """The fields of a report that say that anything was wrong."""
    lists = ("lost_ranges", "halts", "relists", "absurd_returns")
    flat = {**report, **{name: report[name]["first"] for name in lists}}
    return {name: value for name, value in flat.items() if value and name not in {"file", "rows"}}


def same(out: Path, clean: Path, *, since_us: int = 0) -> None:
    """Assert that bars and features are those of the clean file, from a time on.

    An average over all of the past never forgets: it is left out of what is alike from a time on.
    """
    for name in ("bars", "features"):
        frames = [
            table(folder, name).filter(pl.col("open_time").to_physical() >= since_us)
            for folder in (out, clean)
        ]
        if since_us > 0:
            frames = [frame.select(pl.exclude("ewma_vol_1m")) for frame in frames]
        assert frames[0].height > 100
        assert_frame_equal(*frames, check_exact=True)


def test_clean_file_reports_nothing(tmp_path: Path) -> None:
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, CLEAN))
    assert report["rows"] == 2_000
    assert found(report) == {}


def test_repeated_rows_are_counted_and_change_nothing(tmp_path: Path, clean: Path) -> None:
    rows = [row for row in CLEAN for _ in range(2 if row.trade_id % 10 == 0 else 1)]
    rows += CLEAN[-50:]
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, rows))
    assert found(report) == {"duplicates": 250, "backward_times": 1}
    same(tmp_path / "out", clean)


def test_rows_out_of_order_are_counted_and_change_nothing(tmp_path: Path, clean: Path) -> None:
    """(3): within the reorder horizon."""
    rows = CLEAN.copy()
    rows[700], rows[701] = rows[701], rows[700]
    rows[900:905] = reversed(rows[900:905])
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, rows))
    assert found(report) == {"backward_times": 5}
    same(tmp_path / "out", clean)


def test_hole_is_told_by_id_and_passes_out_of_the_windows(tmp_path: Path, clean: Path) -> None:
    rows = [row for row in CLEAN if not 500 <= row.trade_id < 510]
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, rows))
    assert found(report) == {"lost": 10, "lost_ranges": [[500, 509]]}
    bars = table(tmp_path / "out", "bars")
    incomplete = bars.filter(~pl.col("complete"))["open_time"].to_physical()
    assert incomplete[0] == CLEAN[498].time_ms // 1000 * 1_000_000
    assert incomplete[-1] == CLEAN[509].time_ms // 1000 * 1_000_000
    same(tmp_path / "out", clean, since_us=int(incomplete[-1]) + 62_000_000)


def test_absurd_print_is_told_and_passes_out_of_the_windows(tmp_path: Path, clean: Path) -> None:
    seconds = [row.time_ms // 1000 for row in CLEAN]
    at = next(n for n in range(500, 600) if seconds[n] < seconds[n + 1])  # the close of its bar
    rows = CLEAN.copy()
    rows[at] = rows[at]._replace(price="1000000.00")
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, rows))
    times = [datetime.fromtimestamp(seconds[at] + after, UTC) for after in (0, 1)]
    assert found(report) == {"absurd_returns": [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in times]}
    features = table(tmp_path / "out", "features").filter(pl.col("open_time").is_in(times))
    assert features["log_return"].to_list() == [None, None]
    same(tmp_path / "out", clean, since_us=(seconds[at] + 63) * 1_000_000)


def test_milliseconds_and_microseconds_mixed_change_nothing(tmp_path: Path, clean: Path) -> None:
    path = tmp_path / NAME
    path.write_text("".join(row.text(microseconds=row.trade_id % 3 == 0) for row in CLEAN))
    assert found(reported(tmp_path / "out", path)) == {}
    same(tmp_path / "out", clean)


def test_broken_rows_are_rejected_with_file_and_reason(tmp_path: Path) -> None:
    path = tmp_path / NAME
    lines = [row.text() for row in CLEAN]
    lines[9] = CLEAN[9]._replace(price="-1").text()
    lines[10] = "what is this\n"
    path.write_text("".join(lines))
    report = reported(tmp_path / "out", path)
    assert sum(report["rejected"].values()) == 2
    assert (report["rows"], report["lost"], report["lost_ranges"]["first"]) == (
        1_998,
        2,
        [[10, 11]],
    )
    rejected = pl.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert rejected["file"].to_list() == [NAME, NAME]
    assert rejected["symbol"].to_list() == ["BTCUSDT", "BTCUSDT"]
    assert rejected["reason"].str.slice(0, 7).to_list() == ["row 10:", "row 11:"]


def test_truncated_zip_is_used_up_to_the_damage(tmp_path: Path, clean: Path) -> None:
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, "".join(row.text() for row in CLEAN))
    path = tmp_path / NAME.replace(".csv", ".zip")
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    report = reported(tmp_path / "out", path)
    assert 500 < report["rows"] < 1_500
    assert str(path) in report["truncated"]
    bars = table(tmp_path / "out", "bars")
    expected = table(clean, "bars").head(bars.height)
    assert_frame_equal(bars.head(-1), expected.head(-1), check_exact=True)


def test_halt_is_told_with_its_ends_and_prices_run_out(tmp_path: Path) -> None:
    rows = CLEAN[:1_000] + [row._replace(time_ms=row.time_ms + 600_000) for row in CLEAN[1_000:]]
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, rows))
    (halt,) = found(report).pop("halts")
    ends = [datetime.fromisoformat(halt[name]) for name in ("start", "end")]
    assert [round(end.timestamp() * 1000) for end in ends] == [
        rows[999].time_ms,
        rows[1_000].time_ms,
    ]
    assert halt["bars"] is None
    bars = table(tmp_path / "out", "bars")
    assert bars["complete"].all()
    without_price = pl.col("open_time").is_between(
        ends[0] + timedelta(seconds=5), ends[1] - timedelta(seconds=1)
    )
    assert bars.filter(without_price)["close"].null_count() == bars["close"].null_count() > 50


def test_market_listed_anew_goes_on_without_a_loss(tmp_path: Path, clean: Path) -> None:
    day_ms = 86_400_000
    before = market(500, seed=2, first_id=70_000, start_ms=START_MS - day_ms)
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, before + CLEAN))
    assert found(report) == {
        "relists": [{"at": "2023-11-14T22:13:20Z", "newest_id": 70_499, "first_id": 1}]
    }
    bars = table(tmp_path / "out", "bars")
    assert bars["complete"].all()
    later = bars.filter(pl.col("open_time").to_physical() >= START_MS * 1000)
    assert_frame_equal(later, table(clean, "bars"), check_exact=True)
    same(tmp_path / "out", clean, since_us=START_MS * 1000 + 62_000_000)


def test_ids_far_ahead_are_dropped_and_change_nothing(tmp_path: Path, clean: Path) -> None:
    stray = Row(10**12, "10000.00", "1", CLEAN[600].time_ms)
    rows = [*CLEAN[:600], stray, *CLEAN[600:]]
    report = reported(tmp_path / "out", write_dump(tmp_path / NAME, rows))
    assert found(report) == {"implausible_ids": 1}
    same(tmp_path / "out", clean)
