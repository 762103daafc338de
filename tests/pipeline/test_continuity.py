from __future__ import annotations

import gzip
import json
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import Break, PartsCheck
from pipeline.venues.binance_rest import parse_trades
from pipeline.venues.binance_stream import parse_stream
from pipeline.venues.protocol import Continuity
from tests.recorded import DATA, needs_recordings, recorded_frames

ABUT = Continuity(parts_abut=True)

Row = tuple[int, int, int, int]


def breaks(check: PartsCheck, rows: list[Row]) -> list[Break]:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return check.breaks(columns[0].astype(np.int32), *columns[1:])


def breaks_one_by_one(rows: list[Row]) -> list[Break]:
    """The same, row by row, as the rule reads."""
    found, newest = [], {}
    for symbol, trade_id, first_id, last_id in rows:
        before_id, before_last = newest.get(symbol, (None, 0))
        if before_id is not None and trade_id == before_id + 1 and first_id != before_last + 1:
            found.append(Break(symbol, trade_id, before_last + 1, first_id))
        newest[symbol] = trade_id, last_id
    return found


def test_breaks_of_parts_that_abut_are_none() -> None:
    rows = [(0, 7, 100, 102), (1, 1, 5, 5), (0, 8, 103, 103), (1, 2, 6, 9), (0, 9, 104, 110)]

    assert breaks(PartsCheck(2, ABUT), rows) == []


def test_breaks_name_the_row_and_what_was_expected() -> None:
    rows = [(0, 7, 100, 102), (0, 8, 104, 105), (0, 9, 105, 106), (0, 10, 107, 107)]

    assert breaks(PartsCheck(1, ABUT), rows) == [Break(0, 8, 103, 104), Break(0, 9, 106, 105)]


@pytest.mark.parametrize("second", [7, 9, 6], ids=["repeated", "after a hole", "before"])
def test_breaks_are_not_told_of_rows_that_do_not_follow(second: int) -> None:
    assert breaks(PartsCheck(1, ABUT), [(0, 7, 100, 102), (0, second, 500, 501)]) == []


def test_breaks_of_a_first_row_are_none_whatever_its_id() -> None:
    for trade_id in (-1, 0, 1):
        assert breaks(PartsCheck(1, ABUT), [(0, trade_id, 100, 102)]) == []


def test_breaks_of_a_venue_whose_parts_need_not_abut_are_none() -> None:
    check = PartsCheck(1, Continuity(parts_abut=False))

    assert breaks(check, [(0, 7, 100, 102), (0, 8, 104, 105)]) == []


SMALL = st.integers(0, 3)
ROWS = st.lists(st.tuples(st.integers(0, 2), SMALL, SMALL, SMALL), max_size=30)


@given(ROWS, st.lists(st.integers(0, 30), max_size=4))
def test_breaks_are_those_of_a_walk_through_the_rows_for_any_cut(
    rows: list[Row], cuts: list[int]
) -> None:
    check, found = PartsCheck(3, ABUT), []
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, stop in pairwise(edges):
        found += breaks(check, rows[start:stop])

    assert sorted(found) == sorted(breaks_one_by_one(rows))


def recorded_breaks(trades: pl.DataFrame) -> tuple[list[Break], int]:
    """Return the breaks of recorded rows, and how many rows follow the one before."""
    symbols = pl.Series(trades["symbol"].unique(maintain_order=True))
    index = trades["symbol"].cast(pl.Enum(symbols)).to_physical().to_numpy().astype(np.int32)
    columns = [trades[name].to_numpy() for name in ("trade_id", "first_id", "last_id")]
    following = trades.select((pl.col("trade_id").diff().over("symbol") == 1).sum()).item()
    return PartsCheck(len(symbols), ABUT).breaks(index, *columns), following


@needs_recordings
def test_recorded_spot_trades_abut_in_ids_and_in_parts() -> None:
    packed = (DATA / "ticks-freqtrade" / "XRP_OLD-trades.json.gz").read_bytes()
    page = json.dumps([trade["info"] for trade in json.loads(gzip.decompress(packed))]).encode()

    found, following = recorded_breaks(parse_trades(page, "XRPETH", 1_700_000_000_000_000))

    assert (found, following) == ([], 12_476)


@needs_recordings
@pytest.mark.parametrize(
    ("name", "following"), [("BINANCE_US.ws.1.0.gz", 10), ("BINANCE_FUTURES.ws.1.0.gz", 87)]
)
def test_recorded_streams_abut_in_ids_and_in_parts(name: str, following: int) -> None:
    parsed = parse_stream(*recorded_frames(name))

    assert recorded_breaks(parsed.trades) == ([], following)
