"""A trade from the future among others: what is written around it tells."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recordings.inputs import open_input, read_chunks
from pipeline.schema import TRADES
from tests.pipeline.recordings.samples import T0_MS, T0_US, read, write

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def dump(rows: list[tuple[int, int]]) -> str:
    """Write aggregates with these ids and milliseconds after the start."""
    return "".join(
        f"{trade_id},64000.0,1.0,{trade_id},{trade_id},{T0_MS + after_ms},True,True\n"
        for trade_id, after_ms in rows
    )


def ids_of(folder: Path, rows: list[tuple[int, int]]) -> list[int]:
    found: list[int] = (
        read(write(folder, "ABCUSDT-aggTrades.csv", dump(rows))).rows["trade_id"].to_list()
    )
    return found


def test_trade_from_the_future_is_rejected_and_says_why(tmp_path: Path) -> None:
    rows = [(7, 0), (8, 2 * HOUR_MS), (9, 1000), (10, 2000)]
    found = read(write(tmp_path, "ABCUSDT-aggTrades.csv", dump(rows)))

    assert found.rows["trade_id"].to_list() == [7, 9, 10]
    (reason,) = found.reasons
    assert reason == (
        "row 2: expected a time at most an hour after that of the next trade, "
        f"found {T0_US + 2 * HOUR_MS * 1000}"
    )


def test_first_trade_of_a_file_is_judged_by_the_next(tmp_path: Path) -> None:
    assert ids_of(tmp_path, [(7, 2 * HOUR_MS), (8, 0), (9, 1000)]) == [8, 9]


@pytest.mark.parametrize(
    "rows",
    [
        # Just an hour back is no leap; nor is just an hour ahead.
        [(7, 0), (8, 2 * HOUR_MS), (9, HOUR_MS)],
        [(7, HOUR_MS), (8, 2 * HOUR_MS), (9, 0)],
        # The next trade is an earlier one, or the same: what a recording fetched afterwards.
        [(7, 0), (50, 3 * HOUR_MS), (8, 1000), (9, 2000)],
        [(7, 0), (8, 3 * HOUR_MS), (8, 1000)],
        # A hole of three hours, and the end of the file.
        [(7, 0), (8, 3 * HOUR_MS)],
        # One from the past.
        [(7, 3 * HOUR_MS), (8, 3 * HOUR_MS + 5), (9, 0), (10, 3 * HOUR_MS + 10)],
        # One from the past behind the first of a file.
        [(7, 3 * HOUR_MS), (8, 0), (9, 3 * HOUR_MS + 5), (10, 3 * HOUR_MS + 10)],
        # Two from the future in turn: neither refutes the other.
        [(7, 0), (8, 3 * HOUR_MS), (9, 3 * HOUR_MS + 1), (10, 1000)],
    ],
)
def test_other_times_are_left_alone(tmp_path: Path, rows: list[tuple[int, int]]) -> None:
    assert ids_of(tmp_path, rows) == [trade_id for trade_id, _ in rows]


@pytest.mark.parametrize("absurd_ms", [-T0_MS, 10**13])
def test_time_that_is_none_refutes_no_other(tmp_path: Path, absurd_ms: int) -> None:
    assert ids_of(tmp_path, [(7, 0), (8, absurd_ms), (9, 1000)]) == [7, 9]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_trades_are_judged_among_those_of_their_market(tmp_path: Path, rows: int) -> None:
    lines = [
        f'{{"s":"{symbol}","a":{i},"p":"2.0","q":"1.0","f":{i},"l":{i},"T":{T0_MS + ms},"m":true}}'
        for symbol, i, ms in [
            ("AUSDT", 7, 0),
            ("BUSDT", 1, 3 * HOUR_MS),
            ("AUSDT", 8, 2 * HOUR_MS),  # from the future, its neighbours those of another market
            ("BUSDT", 2, 3 * HOUR_MS + 1),
            ("AUSDT", 9, 1000),
            ("BUSDT", 3, 6 * HOUR_MS),  # late, and the last of its market
            ("AUSDT", 10, 2000),
        ]
    ]
    path = write(tmp_path, "two.jsonl", "\n".join(lines) + "\n")
    assert read(path, None, rows).rows["trade_id"].to_list() == [7, 1, 2, 9, 3, 10]


def test_leap_at_the_edge_of_a_part_is_seen_from_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "trades.parquet"
    times_us = [T0_US + ms * 1000 for ms in (0, 1000, 2 * HOUR_MS, 2000, 3000)]
    ids = [7, 8, 9, 10, 11]
    pl.DataFrame(
        {
            "symbol": "ABCUSDT",
            "trade_id": ids,
            "first_id": ids,
            "last_id": ids,
            "event_time": times_us,
            "receive_time": times_us,
            "price": 2.0,
            "quantity": 1.0,
            "buyer_is_maker": True,
        }
    ).select(pl.col(name).cast(dtype) for name, dtype in TRADES.items()).write_parquet(path)
    source = open_input(path)

    for edge in range(6):
        cuts = [(0, edge), (edge, None)]
        chunks = [
            chunk
            for start, stop in cuts
            for chunk in read_chunks(source, 2, start_row=start, stop_row=stop)
        ]
        assert [i for chunk in chunks for i in chunk.rows["trade_id"]] == [7, 8, 10, 11], edge


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.integers(-1, 3), st.sampled_from([0, 1, -2 * HOUR_MS, 2 * HOUR_MS])),
        min_size=1,
        max_size=40,
    ),
    rows=st.integers(1, 50),
    start=st.integers(0, 40),
)
def test_chunks_of_any_size_from_any_row_leave_out_the_same_leaps(
    steps: list[tuple[int, int]], rows: int, start: int
) -> None:
    told, trade_id = [], 100
    for step, ahead_ms in steps:
        trade_id += step
        told.append((trade_id, MINUTE_MS * len(told) + ahead_ms))
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "ABCUSDT-aggTrades.csv", dump(told))
        whole = read(path)
        parts = [read(path, None, rows, stop_row=start), read(path, None, rows, start_row=start)]

    chunks = [chunk for part in parts for chunk in part.chunks]
    assert pl.concat([chunk.rows for chunk in chunks]).equals(whole.rows)
    assert pl.concat([chunk.rejected for chunk in chunks]).equals(whole.rejected)


def test_leaps_at_the_edges_of_what_is_read_at_a_time_are_seen(tmp_path: Path) -> None:
    """A file of several pieces, with a trade from the future in each place once."""
    for first in range(6):
        told = [(i, i + 2 * HOUR_MS * (i % 6 == first)) for i in range(4_000)]
        path = write(tmp_path, "ABCUSDT-aggTrades.csv", dump(told))
        ids = read(path, None, 100).rows["trade_id"].to_list()
        # The last one has none after it.
        assert ids == [i for i, _ in told if i % 6 != first or i == 3_999]
