"""Recorded history, against what the venue itself made of it and what is known of its days."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from pipeline.config import Config
from tests.pipeline.batch.histories import run_here, table
from tests.recorded import DATA, needs_recordings

MINUTES = Config.model_validate(
    {
        "symbols": ["LIVEUSDT"],
        "sampling": {"every": "1m", "forward_fill": "1h"},
        "features": ["realized_vol_1h"],
    }
)

pytestmark = needs_recordings


def test_batch_of_recorded_trades_makes_the_bars_the_venue_made_itself(tmp_path: Path) -> None:
    path = DATA / "ticks-freqtrade" / "XRP_OLD-trades.json.gz"
    summary = run_here(tmp_path, path, config=MINUTES)
    (row,) = summary["symbols"].values()
    assert (row["first_id"], row["last_id"]) == (13_519_807, 13_532_283)
    assert (row["live"], row["lost"], row["duplicates"], row["late"]) == (12_477, 0, 0, 0)
    bars = table(tmp_path, "bars").filter(pl.col("trades") > 0)
    klines = pl.read_ipc(DATA / "ticks-freqtrade" / "XRP_ETH-1m.feather").with_columns(
        pl.col("date").dt.cast_time_unit("us")
    )
    both = klines.join(bars, left_on="date", right_on="open_time")
    assert both.height == klines.height == 2_469
    assert both["close"].to_list() == both["close_right"].to_list()
    assert both["high"].to_list() == both["high_right"].to_list()
    assert both["volume"].to_list() == both["volume_right"].to_list()


APRIL = ("2021-04-25T04:01:00Z", "2021-04-25T08:45:00Z", 284)
APRIL_LATE = ("2021-04-25T04:02:00Z", "2021-04-25T08:45:00Z", 283)
SEPTEMBER = ("2021-09-29T07:00:00Z", "2021-09-29T09:00:00Z", 120)
#: Single months of four symbols: what lies between them is missing, too.
MONTHS = [
    ("2023-03-01T00:00:00Z", "2024-02-01T00:00:00Z", 485_280),
    ("2024-03-01T00:00:00Z", "2025-02-01T00:00:00Z", 485_280),
]


@pytest.mark.parametrize(
    ("folder", "files", "rows", "halts"),
    [
        ("klines-2021-05-19", 20, 858_304, {APRIL: 17, APRIL_LATE: 3}),
        ("klines-2021-09", 18, 776_777, {SEPTEMBER: 18}),
        ("klines-2023-summer-quiet", 18, 861_051, {}),
        ("klines-2024-08-05", 2, 86_417, {}),
        ("klines-isda-futures", 13, 529_920, dict.fromkeys(MONTHS, 4)),
    ],
)
def test_batch_of_recorded_klines_runs_clean_and_tells_their_known_halts(
    tmp_path: Path, folder: str, files: int, rows: int, halts: dict[tuple[str, str, int], int]
) -> None:
    paths = [path for path in (DATA / folder).rglob("*") if "-1m" in path.name]
    summary = run_here(tmp_path, *paths, config=MINUTES, chunk_rows=50_000)
    reports = [report for row in summary["symbols"].values() for report in row["files"]]
    assert (len(reports), sum(report["rows"] for report in reports)) == (files, rows)
    told = [halt for report in reports for halt in report["halts"]["first"]]
    assert Counter((halt["start"], halt["end"], halt["bars"]) for halt in told) == halts
    for report in reports:
        assert (report["rejected"], report["late"], report["truncated"]) == ({}, 0, None)
        assert (report["backward_times"], report["absurd_returns"]["count"]) == (0, 0)
