from __future__ import annotations

import polars as pl

from pipeline.history import History

SCHEMA = pl.Schema({"x": pl.Int64()})


def rows(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"x": values}, schema=SCHEMA)


def test_history_returns_what_came_after_a_version() -> None:
    history = History(SCHEMA, 100)
    history.append(1, rows(10, 11))
    history.append(2, rows())
    history.append(3, rows(12))
    assert history.since(0)["x"].to_list() == [10, 11, 12]
    assert history.since(1)["x"].to_list() == [12]
    assert history.since(3).equals(rows())
    assert history.since(3).schema == SCHEMA


def test_history_forgets_the_oldest_frames_beyond_its_rows() -> None:
    history = History(SCHEMA, 3)
    for version in range(1, 6):
        history.append(version, rows(version))
    assert history.since(0)["x"].to_list() == [3, 4, 5]


def test_history_keeps_the_newest_frame_however_large() -> None:
    history = History(SCHEMA, 2)
    history.append(1, rows(1))
    history.append(2, rows(2, 3, 4))
    assert history.since(0)["x"].to_list() == [2, 3, 4]


def test_history_of_many_small_frames_answers_from_within_merged_ones() -> None:
    history = History(SCHEMA, 10_000)
    for version in range(1, 1001):
        history.append(version, rows(version))
    assert len(history._chunks) < 100
    assert history.since(0)["x"].to_list() == list(range(1, 1001))
    assert history.since(500)["x"].to_list() == list(range(501, 1001))
    assert history.since(999)["x"].to_list() == [1000]
