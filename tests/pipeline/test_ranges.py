from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log, nan, sqrt

import numpy as np
import pytest

from pipeline.durations import MINUTE, SECOND
from pipeline.ranges import RangeColumns, RangeSums

# The golden bars of the project's mathematics page: open, high, low, close.
GOLDEN = [
    (100.0, 101.5, 99.5, 101.0),
    (101.0, 101.8, 100.2, 100.5),
    (100.5, 102.3, 100.1, 102.0),
    (102.0, 102.5, 101.0, 101.2),
    (101.2, 102.0, 100.4, 101.7),
]
NONE = (nan, nan, nan, nan)
# Parkinson's variance of a minute whose high is e^0.1, e^0.2 times its low: x^2 / (4 ln 2).
TENTH, FIFTH = 0.01 / (4 * log(2)), 0.04 / (4 * log(2))

Row = tuple[int, int, tuple[float, float, float, float]]


def spread(size: float) -> tuple[float, float, float, float]:
    """A bar that opens low and closes high, `size` apart in logs."""
    return (100.0, 100.0 * exp(size), 100.0, 100.0 * exp(size))


def minutes_of(bars: Sequence[tuple[float, float, float, float]], first: int = 0) -> list[Row]:
    """Rows of a minute each."""
    return [(at * MINUTE, (at + 1) * MINUTE, bar) for at, bar in enumerate(bars, start=first)]


def push(ranges: RangeSums, rows: Sequence[Row], index: int = 0) -> RangeColumns:
    open_us = np.array([row[0] for row in rows], dtype=np.int64)
    end_us = np.array([row[1] for row in rows], dtype=np.int64)
    prices = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4)
    symbol_index = np.full(len(rows), index, dtype=np.int32)
    return ranges.push(symbol_index, end_us, np.ascontiguousarray(prices.T), open_us)


def parkinson(rows: Sequence[Row], window: int = 1) -> list[float]:
    """Parkinson's variance after each row."""
    values: list[float] = push(RangeSums(1, [window]), rows).parkinson[0].tolist()
    return values


def test_ranges_of_the_golden_bars_are_their_volatilities() -> None:
    columns = push(RangeSums(1, [5]), minutes_of(GOLDEN))
    assert sqrt(columns.parkinson[0, -1]) == pytest.approx(0.010699295373425063, rel=1e-9)
    assert sqrt(columns.garman_klass[0, -1]) == pytest.approx(0.011203557766797262, rel=1e-9)
    assert sqrt(columns.rogers_satchell[0, -1]) == pytest.approx(0.011027477619296153, rel=1e-9)


def test_minute_of_many_rows_has_their_open_high_low_and_close() -> None:
    rows = [
        (0, 20 * SECOND, (100.0, 100.3, 99.9, 100.2)),
        (20 * SECOND, 40 * SECOND, (100.2, 101.5, 100.1, 100.4)),
        (40 * SECOND, 60 * SECOND, (100.4, 101.2, 99.5, 101.0)),
    ]
    together, apart = push(RangeSums(1, [1]), minutes_of(GOLDEN[:1])), push(RangeSums(1, [1]), rows)
    assert apart.garman_klass[0, -1] == together.garman_klass[0, 0]
    assert apart.rogers_satchell[0, -1] == together.rogers_satchell[0, 0]


def test_windows_of_several_lengths_hold_their_own_minutes() -> None:
    bars = [spread(0.2), spread(0.2), spread(0.1), spread(0.1)]
    columns = push(RangeSums(1, [1, 2, 4]), minutes_of(bars))
    expected = [
        [FIFTH, FIFTH, TENTH, TENTH],
        [nan, FIFTH, (FIFTH + TENTH) / 2, TENTH],
        [nan, nan, nan, (FIFTH + TENTH) / 2],
    ]
    np.testing.assert_allclose(columns.parkinson, expected, rtol=1e-14)


def test_minute_closes_with_the_row_that_reaches_its_end() -> None:
    rows = [(0, 30 * SECOND, spread(0.1)), (30 * SECOND, MINUTE, spread(0.1))]
    assert parkinson(rows) == [pytest.approx(nan, nan_ok=True), pytest.approx(TENTH)]


def test_minute_whose_end_no_row_reaches_closes_with_the_first_row_of_a_later_one() -> None:
    rows = [
        (0, MINUTE - 1, spread(0.1)),
        (MINUTE, MINUTE + SECOND, spread(0.2)),
        (MINUTE + SECOND, 2 * MINUTE, spread(0.2)),
    ]
    assert parkinson(rows) == pytest.approx([nan, TENTH, FIFTH], nan_ok=True)


def test_row_over_the_edge_of_a_minute_belongs_to_the_one_it_opens_in() -> None:
    rows = [
        (56 * SECOND, 63 * SECOND, spread(0.1)),
        (63 * SECOND, 70 * SECOND, spread(0.2)),
        (119 * SECOND, 126 * SECOND, spread(0.2)),
    ]
    assert parkinson(rows) == pytest.approx([TENTH, TENTH, FIFTH])


def test_trade_at_the_edge_of_a_minute_closes_it_and_opens_the_next() -> None:
    times = [0, MINUTE - 1, MINUTE, 2 * MINUTE]
    prices = [100.0, 100.0 * exp(0.1), 100.0 * exp(0.3), 100.0]
    rows = [(at, at, (price,) * 4) for at, price in zip(times, prices, strict=True)]
    assert parkinson(rows) == pytest.approx([nan, nan, TENTH, 0.0], nan_ok=True)


def test_window_is_known_while_half_of_its_minutes_have_a_price() -> None:
    bars = [spread(0.1), spread(0.2), NONE, NONE, NONE]
    values = parkinson(minutes_of(bars), window=4)
    assert values == pytest.approx([nan, nan, nan, (TENTH + FIFTH) / 2, nan], nan_ok=True)


def test_row_without_a_price_starts_the_first_window() -> None:
    assert parkinson(minutes_of([NONE, spread(0.1)]), window=2) == pytest.approx(
        [nan, TENTH], nan_ok=True
    )


def test_skipped_minutes_are_minutes_without_a_price() -> None:
    rows = [*minutes_of([spread(0.1)]), *minutes_of([spread(0.2)], first=3)]
    assert parkinson(rows, window=4) == pytest.approx([nan, (TENTH + FIFTH) / 2], nan_ok=True)
    assert parkinson(rows, window=3) == pytest.approx([nan, nan], nan_ok=True)
    assert parkinson(rows, window=2) == pytest.approx([nan, FIFTH], nan_ok=True)


@pytest.mark.parametrize("skipped", [2, 3, 4, 5, 6, 1_000_000_000])
def test_gap_longer_than_the_window_leaves_nothing_of_what_was_before(skipped: int) -> None:
    ranges = RangeSums(1, [2, 4])
    push(ranges, minutes_of([spread(0.2)] * 5))
    later = minutes_of([spread(0.1)] * 2, first=5 + skipped)
    columns = push(ranges, later)
    assert columns.parkinson[0].tolist() == pytest.approx([TENTH, TENTH])
    assert columns.parkinson[1, 1] == pytest.approx(
        (FIFTH + TENTH * 2) / 3 if skipped < 2 else TENTH
    )


def test_minutes_before_1970_are_minutes() -> None:
    rows = [*minutes_of([spread(0.1)] * 3, first=-5), *minutes_of([spread(0.1)] * 3, first=-2)]
    assert parkinson(rows, window=3) == pytest.approx([nan, nan] + [TENTH] * 4, nan_ok=True)


def test_minute_opens_at_its_first_price() -> None:
    row = (20 * SECOND, MINUTE, GOLDEN[0])
    columns = push(RangeSums(1, [1]), [(0, 20 * SECOND, NONE), row])
    alone = push(RangeSums(1, [1]), [row])
    assert columns.garman_klass[0, 1] == alone.garman_klass[0, 0]
    assert columns.rogers_satchell[0, 1] == alone.rogers_satchell[0, 0]


@pytest.mark.parametrize(
    "prices",
    [
        (nan, 120.0, 80.0, 100.0),
        (100.0, nan, 80.0, 100.0),
        (100.0, 120.0, nan, 100.0),
        (100.0, 120.0, 80.0, nan),
        (100.0, 120.0, 0.0, 100.0),
        (100.0, 120.0, -1.0, 100.0),
        (79.0, 120.0, 80.0, 100.0),
        (121.0, 120.0, 80.0, 100.0),
        (100.0, 120.0, 80.0, 79.0),
        (100.0, 120.0, 80.0, 121.0),
    ],
)
def test_row_that_is_no_bar_has_no_price(prices: tuple[float, float, float, float]) -> None:
    rows = [(0, 30 * SECOND, prices), (30 * SECOND, MINUTE, spread(0.1))]
    assert parkinson(rows)[-1] == pytest.approx(TENTH)
    assert parkinson(minutes_of([prices])) == pytest.approx([nan], nan_ok=True)


@pytest.mark.parametrize(
    ("bar", "variance"),
    [
        (spread(3.9), 5.485847),  # 3.9^2 / (4 ln 2)
        (spread(4.1), nan),
        ((100.0, inf, 100.0, 100.0), nan),
        ((inf, inf, inf, inf), nan),
        ((5e-324, 100.0, 5e-324, 100.0), nan),
    ],
)
def test_minute_with_a_range_that_no_market_makes_has_no_price(
    bar: tuple[float, float, float, float], variance: float
) -> None:
    assert parkinson(minutes_of([bar])) == pytest.approx([variance], rel=1e-6, nan_ok=True)


def test_row_of_a_closed_minute_changes_nothing() -> None:
    late = (30 * SECOND, 31 * SECOND, spread(3.0))
    rows = [*minutes_of([spread(0.1)]), late, *minutes_of([spread(0.2)], first=1)]
    assert parkinson(rows) == pytest.approx([TENTH, TENTH, FIFTH])


def test_flat_prices_have_exactly_no_variance_after_a_spike_has_left() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    columns = push(RangeSums(1, [60]), minutes_of([GOLDEN[0], spread(3.0), *[flat] * 60]))
    assert columns.parkinson[0, -1] == 0.0
    assert columns.garman_klass[0, -1] == 0.0
    assert columns.rogers_satchell[0, -1] == 0.0
    assert columns.parkinson[0, -2] > 0.0


def test_day_of_the_widest_minutes_is_held_beyond_128_bits() -> None:
    up_and_back = (100.0, 100.0 * exp(3.9), 100.0, 100.0)
    columns = push(RangeSums(1, [1440]), minutes_of([spread(3.9)] * 720 + [up_and_back] * 720))
    square = 3.9**2
    assert columns.parkinson[0, -1] == pytest.approx(square / (4 * log(2)), rel=1e-14)
    # Half of the minutes close at their high, half at their open.
    garman_klass = 0.5 * square - (2 * log(2) - 1) * square / 2
    assert columns.garman_klass[0, -1] == pytest.approx(garman_klass, rel=1e-14)
    assert columns.rogers_satchell[0, -1] == pytest.approx(square / 2, rel=1e-14)


def test_sums_beyond_128_bits_come_back_to_exactly_zero() -> None:
    ranges = RangeSums(1, [1440])
    push(ranges, minutes_of([spread(3.9)] * 1440))
    flat = push(ranges, minutes_of([(7.0, 7.0, 7.0, 7.0)] * 1440, first=1440))
    assert flat.parkinson[0, 719] == pytest.approx(3.9**2 / (8 * log(2)), rel=1e-14)
    assert flat.parkinson[0, -1] == 0.0


def test_minutes_are_as_long_as_told() -> None:
    rows = [(0, 5 * MINUTE, spread(0.1)), (5 * MINUTE, 10 * MINUTE, spread(0.2))]
    columns = push(RangeSums(1, [2], 5 * MINUTE), rows)
    assert columns.parkinson[0].tolist() == pytest.approx([nan, (TENTH + FIFTH) / 2], nan_ok=True)


def test_symbols_do_not_see_each_other() -> None:
    ranges = RangeSums(2, [1])
    push(ranges, [(0, 30 * SECOND, spread(0.1))], index=0)
    assert push(ranges, minutes_of([spread(0.2)]), index=1).parkinson[0, 0] == pytest.approx(FIFTH)
    rest = push(ranges, [(30 * SECOND, MINUTE, spread(0.05))], index=0)
    assert rest.parkinson[0, 0] == pytest.approx(TENTH)


def test_push_of_no_rows_or_for_no_windows_has_no_values() -> None:
    assert push(RangeSums(1, [1, 2]), []).parkinson.shape == (2, 0)
    assert push(RangeSums(1, []), minutes_of(GOLDEN)).garman_klass.shape == (0, 5)


def test_snapshot_holds_the_longest_window_oldest_first_and_the_open_minute() -> None:
    ranges = RangeSums(2, [1, 3])
    push(ranges, minutes_of([spread(0.1)] * 3 + [NONE]), index=1)
    push(ranges, [(4 * MINUTE, 4 * MINUTE + SECOND, GOLDEN[0])], index=1)
    held = ranges.snapshot(1)
    assert held["minute"].tolist() == [4]
    assert held["prices"].tolist() == [*GOLDEN[0]]
    assert held["priced"].tolist() == [True, True, False]
    assert held["terms"].shape == (18,)
    assert held["terms"][12:].tolist() == [0] * 6


def test_snapshot_does_not_change_with_what_follows() -> None:
    ranges = RangeSums(1, [2])
    push(ranges, minutes_of([spread(0.1)]))
    held = ranges.snapshot(0)
    before = {name: column.tobytes() for name, column in held.items()}
    push(ranges, [*minutes_of(GOLDEN, first=1), (6 * MINUTE, 6 * MINUTE + SECOND, GOLDEN[0])])
    assert {name: column.tobytes() for name, column in held.items()} == before


def test_restore_forgets_what_the_symbol_held() -> None:
    ranges = RangeSums(1, [1, 3])
    push(ranges, minutes_of([*[spread(0.3)] * 3, spread(0.2), NONE]))
    push(ranges, [(5 * MINUTE, 5 * MINUTE + SECOND, spread(0.2))])
    ranges.restore(0, RangeSums(1, [1, 3]).snapshot(0))
    columns = push(ranges, minutes_of([spread(0.1)] * 3, first=3))
    assert columns.parkinson[0].tolist() == pytest.approx([TENTH] * 3)
    assert columns.parkinson[1].tolist() == pytest.approx([nan, nan, TENTH], nan_ok=True)


def test_restored_symbol_tells_its_variance_before_the_next_minute_closes() -> None:
    ranges = RangeSums(1, [2])
    push(ranges, minutes_of([spread(0.1)] * 2))
    other = RangeSums(1, [2])
    other.restore(0, ranges.snapshot(0))
    row = [(2 * MINUTE, 2 * MINUTE + SECOND, spread(0.2))]
    assert push(other, row).parkinson[0, 0] == pytest.approx(TENTH)
