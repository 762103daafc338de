from __future__ import annotations

import polars as pl

from pipeline.history import History
from pipeline.schema import TIME

SCHEMA = pl.Schema({"x": pl.Int64(), "open_time": TIME})


def rows(*values: int) -> pl.DataFrame:
    """One row a value, which is also its time in microseconds."""
    return pl.DataFrame({"x": values, "open_time": values}, schema=SCHEMA)


def history(*, reach_us: int = 10**9, max_rows: int = 10**6) -> History:
    return History(SCHEMA, reach_us=reach_us, max_rows=max_rows)


def values(frame: pl.DataFrame) -> list[int]:
    return frame["x"].to_list()


def test_history_returns_what_came_after_a_version() -> None:
    table = history()
    table.append(1, rows(10, 11))
    table.append(2, rows())
    table.append(3, rows(12))
    assert values(table.since(0)) == [10, 11, 12]
    assert values(table.since(1)) == [12]
    assert table.since(3).height == 0
    assert table.since(3).schema == table.since(0).schema == SCHEMA


def test_history_beyond_its_rows_forgets_the_first_applied_and_no_more() -> None:
    table = history(max_rows=5)
    table.append(1, rows(1, 2, 3, 4))
    table.append(2, rows(5, 6))
    assert values(table.since(0)) == [2, 3, 4, 5, 6]
    table.append(3, rows(*range(7, 15)))
    assert values(table.since(0)) == [10, 11, 12, 13, 14]


def test_history_forgets_what_is_too_old_and_keeps_a_late_comers_past() -> None:
    table = history(reach_us=100)
    table.append(1, rows(*range(1, 101)))
    table.append(2, rows(*range(1, 101)))  # another symbol, which starts later
    for version in range(3, 3 + 64):
        table.append(version, rows(98 + version))
    # A merge came after 64 frames: the newest is then 162 - 2.
    kept = values(table.since(0))
    assert min(kept) > 159 - 100
    assert kept.count(80) == 2


def test_history_of_many_small_frames_answers_from_within_merged_ones() -> None:
    table = history()
    for version in range(1, 1001):
        table.append(version, rows(version))
    assert len(table._chunks) < 100
    assert values(table.since(0)) == list(range(1, 1001))
    assert values(table.since(500)) == list(range(501, 1001))
    assert values(table.since(999)) == [1000]


def test_history_of_very_high_versions_can_still_be_read() -> None:
    table = history()
    table.append(2**31 - 1, rows(1))
    table.append(2**31, rows(2))
    assert values(table.since(0)) == [1, 2]
