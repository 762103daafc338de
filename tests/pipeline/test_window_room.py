"""Pieces, blocks and tapes that move or grow leave no trace in what windows hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.windows import RollingSum, Samples, Windows
from tests.pipeline.window_oracles import bits, closes, differences, joined, samples, taken

# Windows whose tapes hold 2 * (24 + 512) samples, and one by duration of up to 5000.
BY_COUNT = [
    RollingSum("squares", 13, lag=5, horizon=5),
    RollingSum("trimmed_squares", 13, lag=5, horizon=5),
    RollingSum("deviations", 20),
    RollingSum("products", 20, lag=3),
    RollingSum("returns", 20),
    RollingSum("deviations", 20, lag=1),
]
BY_DURATION = [
    RollingSum("squares", duration_us=5000),
    RollingSum("trimmed_squares", duration_us=5000),
    RollingSum("signed_products", duration_us=4000, lag=2),
    RollingSum("trades", 7),
    RollingSum("squares", duration_us=5000, need=3),
]


def market(rows: int) -> Samples:
    random = np.random.default_rng(rows)
    close = closes((random.standard_t(3, rows - 1) * 1e-3).tolist())
    close[random.random(rows) < 0.02] = np.nan
    return samples(close, np.arange(rows), random.integers(-1, 5, rows).tolist())


@pytest.mark.parametrize("rows", [511, 512, 513, 1023, 1024, 1025])
def test_sums_at_the_edge_of_a_piece_are_exact(rows: int) -> None:
    """(14): where a tape is moved, or just not."""
    given = market(rows)
    windows = Windows([BY_COUNT])
    columns = joined(
        [windows.push(taken(given, slice(3))), windows.push(taken(given, slice(3, None)))]
    )
    assert differences(columns, BY_COUNT, given) == []


@pytest.mark.parametrize("chunk", [1, 511, 512, 513, 8191, 8192, 8193])
@pytest.mark.parametrize("timed", [False, True])
def test_chunks_around_pieces_and_blocks_give_the_same_bits(chunk: int, timed: bool) -> None:  # noqa: FBT001 - parametrized
    given, sums = market(17_000), BY_DURATION if timed else BY_COUNT
    # A second symbol, so that blocks are sorted.
    given = replace(given, symbol_index=(np.arange(17_000) % 5 == 0).astype(np.int32))
    whole, parts = (Windows([sums, sums], [9.0], timed=timed) for _ in range(2))
    starts = range(0, 17_000, chunk)
    found = [parts.push(taken(given, slice(at, at + chunk))) for at in starts]
    assert bits(joined(found)) == bits(whole.push(given))
    for symbol in range(2):
        kept, had = whole.snapshot(symbol), parts.snapshot(symbol)
        assert {name: had[name].tobytes() for name in had} == {
            name: kept[name].tobytes() for name in kept
        }


def test_sum_told_of_another_keeps_no_more_than_the_window() -> None:
    leads, led = (RollingSum("squares", duration_us=50, need=need) for need in (1, 3))
    windows = Windows([[leads, led]], timed=True)
    windows.push(market(5000))
    assert windows.snapshot(0)["tape_0"].size == 51


def test_window_by_duration_that_outgrows_its_tape_is_exact() -> None:
    """(14): and where it grows."""
    # A sample a microsecond: 5000 in the window, of a tape with room for about a thousand.
    windows, given = Windows([BY_DURATION], timed=True), market(11_000)
    columns = windows.push(given)
    squares = np.nan_to_num(columns.log_return[-5000:] ** 2).sum()
    assert columns.values[0, -1] == pytest.approx(squares, rel=1e-12)
    assert columns.terms[0, -1] == np.isfinite(columns.log_return[-5000:]).sum()
    assert columns.terms[3, -1] == (given.trades[-7:] >= 0).sum()
    assert (~np.isnan(columns.values[0])).tolist() == [at >= 5000 for at in range(11_000)]


def test_snapshot_of_a_tape_that_has_grown_is_restored_into_one_that_has_not() -> None:
    given = market(12_000)
    whole = Windows([BY_DURATION, BY_DURATION], [9.0], timed=True)
    expected = whole.push(given)
    first = Windows([BY_DURATION, BY_DURATION], [9.0], timed=True)
    first.push(taken(given, slice(9000)))
    second = Windows([BY_DURATION, BY_DURATION], [9.0], timed=True)
    # What the other symbol holds must survive the growth, too.
    other = replace(given, symbol_index=np.ones(12_000, dtype=np.int32))
    second.push(taken(other, slice(300)))
    second.restore(0, first.snapshot(0))
    late = second.push(taken(given, slice(9000, None)))
    assert late.values.tobytes() == np.ascontiguousarray(expected.values[:, 9000:]).tobytes()
    later = second.push(taken(other, slice(300, None)))
    assert later.values.tobytes() == np.ascontiguousarray(expected.values[:, 300:]).tobytes()


def test_tape_that_has_grown_for_a_burst_is_read_right_after_it() -> None:
    # 8000 samples in one window, then a silence, then a few.
    times = np.concatenate([np.arange(8000) // 4, 10_000_000 + np.arange(200) * 1000])
    given = replace(market(8200), time_us=times)
    windows = Windows([BY_DURATION], timed=True)
    late = windows.push(given)
    alone = Windows([BY_DURATION], timed=True).push(taken(given, slice(7999, None)))
    assert late.values[:, 8020:].tobytes() == alone.values[:, 21:].tobytes()
    assert len(windows.snapshot(0)["tape_0"]) < 20
