"""However samples arrive, windows hold the same, to the last bit. Numbers are of windows.md D."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.windows import RollingSum, Samples, WindowColumns, Windows
from tests.pipeline.window_oracles import bits, differences, joined, taken

R = RollingSum
HALF_LIVES = (2.0, 9.0)
SEEDS = st.integers(0, 10**9)
tried = settings(max_examples=100, deadline=None)

# By count, of three symbols with windows of their own, and by duration with ties in them.
BY_COUNT = [
    [
        R("squares", 2 + at, lag=1),
        R("squares", 11, lag=3 - at, horizon=3, need=3),
        R("trimmed_squares", 11, lag=3 - at, horizon=3, need=3),
        R("deviations", 7 + 9 * at),
        R("returns", 5),
        R("products", 6),
        R("signed_products", 4 + at, lag=2),
        R("trades", 3),
    ]
    for at in range(3)
]
BY_DURATION = [
    [
        R("squares", duration_us=900 + 700 * at, lag=1),
        R("trimmed_squares", duration_us=900 + 700 * at, lag=1),
        R("deviations", duration_us=1500),
        R("products", duration_us=400),
        R("signed_products", 9),
        R("returns", duration_us=1, lag=at),
        R("trades", duration_us=1500),
    ]
    for at in range(3)
]

# After so many rows or microseconds nothing of the time before is in a window, nor tells outliers.
REACH_ROWS, REACH_US = 2 * 16 + 6, 2 * 2300 + 1


SUMS = {"count": BY_COUNT, "duration": BY_DURATION}
BY = st.sampled_from(sorted(SUMS))


def fresh(by: str) -> Windows:
    return Windows(SUMS[by], HALF_LIVES, timed=by == "duration")


def market(seed: int, rows: int = 150) -> Samples:
    """Three symbols in turns: heavy tails, flat prices, gaps, broken prices, ties, silences."""
    random = np.random.default_rng(seed)
    index = random.integers(0, 3, rows).astype(np.int32)
    moves = np.where(random.random(rows) < 0.3, 0.0, random.standard_t(2, rows) * 1e-3)
    close = 10.0 ** random.integers(-5, 6) * np.exp(np.cumsum(moves))
    broken = random.random(rows) < 0.06
    close[broken] = random.choice([np.nan, 0.0, -1.0, 1e300], broken.sum())
    return Samples(
        index,
        np.cumsum(
            random.choice([0, 0, 1, 50, 300, 4000], rows, p=[0.3, 0.2, 0.2, 0.2, 0.08, 0.02])
        ),
        close,
        random.random(rows) < 0.9,
        random.integers(-1, 30, rows),
    )


def pushed(windows: Windows, given_rows: Samples, cuts: list[int]) -> WindowColumns:
    edges = [0, *sorted(cuts), len(given_rows.close)]
    return joined([windows.push(taken(given_rows, slice(a, b))) for a, b in pairwise(edges)])


def held(windows: Windows, index: int) -> dict[str, bytes]:
    return {name: values.tobytes() for name, values in windows.snapshot(index).items()}


def cuts_of(rows: int = 150) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, rows), max_size=8)


@tried
@given(SEEDS, cuts_of(), BY)
def test_any_partition_gives_the_same_bits_and_the_same_snapshots(
    seed: int, cuts: list[int], by: str
) -> None:
    """(1), and (8) where a cut is between samples of one time."""
    rows = market(seed)
    whole, parts = fresh(by), fresh(by)
    assert bits(pushed(parts, rows, cuts)) == bits(whole.push(rows))
    for symbol in range(3):
        assert held(parts, symbol) == held(whole, symbol)


@tried
@given(SEEDS, BY)
def test_any_interleaving_of_symbols_gives_the_same_bits(seed: int, by: str) -> None:
    """(2): each symbol as if it were alone, with its own windows."""
    rows = market(seed)
    together = fresh(by)
    columns = together.push(rows)
    for symbol in range(3):
        mine = rows.symbol_index == symbol
        alone = Windows([SUMS[by][symbol]], HALF_LIVES, timed=by == "duration")
        only = replace(taken(rows, mine), symbol_index=np.zeros(mine.sum(), dtype=np.int32))
        own = alone.push(only)
        # It is counted to the longest window of the shard: 17 samples at least.
        np.minimum(own.sound, 17, out=own.sound)
        np.minimum(columns.sound, 17, out=columns.sound)
        assert bits(own) == bits(columns, mine)


@tried
@given(SEEDS, st.integers(-15, 15), st.integers(-(10**15), 10**15), BY)
def test_prices_times_a_power_of_two_and_times_later_give_the_same_bits(
    seed: int, power: int, later_us: int, by: str
) -> None:
    """(4)."""
    rows = market(seed)
    moved = replace(rows, close=rows.close * 2.0**power, time_us=rows.time_us + later_us)
    assert bits(fresh(by).push(moved)) == bits(fresh(by).push(rows))


def of_symbol_0(seed: int) -> Samples:
    return replace(market(seed), symbol_index=np.zeros(150, dtype=np.int32))


def sums_after(columns: WindowColumns, rows: NDArray[np.bool_]) -> list[bytes]:
    """Everything but EWMAs, which never forget."""
    return bits(replace(columns, ewma=np.zeros_like(columns.ewma)), rows)


@tried
@given(SEEDS, st.integers(1, 60), BY)
def test_nothing_is_left_of_a_spike_that_has_left_the_windows(seed: int, at: int, by: str) -> None:
    """(5)."""
    rows = of_symbol_0(seed)
    spiked = replace(rows, close=np.where(np.arange(150) == at, rows.close * 1.5, rows.close))
    after = np.arange(150) > at + 1 + REACH_ROWS
    if by == "duration":
        after &= rows.time_us > rows.time_us[at + 1] + REACH_US
    calm, wild = fresh(by).push(rows), fresh(by).push(spiked)
    assert sums_after(wild, after) == sums_after(calm, after)


@tried
@given(SEEDS, st.integers(0, 90), BY)
@example(785, 67, "duration")
def test_start_in_the_middle_gives_the_same_bits_once_windows_are_full(
    seed: int, at: int, by: str
) -> None:
    """(6), and (7): the snapshots are then equal, but for EWMAs."""
    rows = of_symbol_0(seed)
    cold, warm = fresh(by), fresh(by)
    late = np.arange(150) > at + REACH_ROWS
    if by == "duration":
        late &= rows.time_us > rows.time_us[at] + REACH_US
    expected, found = cold.push(rows), warm.push(taken(rows, slice(at, None)))
    assert sums_after(found, late[at:]) == sums_after(expected, late)
    is_late = late[-1]
    if by == "duration":  # tapes hold one sample more than the longest window of symbol 0
        before_us = rows.time_us[rows.time_us <= rows.time_us[-1] - 1500].max(initial=0)
        is_late &= before_us > rows.time_us[at] + 2300
    if is_late:
        wanted, had = held(cold, 0), held(warm, 0)
        assert had | {"ewma": wanted["ewma"]} == wanted


@tried
@given(SEEDS, st.integers(0, 140), BY)
def test_window_says_nothing_until_it_can_say_what_it_would_from_an_earlier_start(
    seed: int, at: int, by: str
) -> None:
    """(6), from the first row that a window is full: one that is not full tells other outliers."""
    rows = of_symbol_0(seed)
    expected, found = fresh(by).push(rows), fresh(by).push(taken(rows, slice(at, None)))
    for k, one in enumerate(SUMS[by][0]):
        if one.of != "trimmed_squares":
            told = ~np.isnan(found.values[k])
            assert found.values[k][told].tobytes() == expected.values[k][at:][told].tobytes()


def test_start_in_the_middle_gives_the_same_ewma_to_1e_12_once_it_is_warm() -> None:
    """(6)."""
    rows = replace(market(1, 2000), symbol_index=np.zeros(2000, dtype=np.int32))
    cold = fresh("count").push(rows).ewma[:, -1]
    warm = fresh("count").push(taken(rows, slice(1600, None))).ewma[:, -1]
    assert warm == pytest.approx(cold, rel=1e-12, abs=0.0)


@tried
@given(SEEDS, cuts_of(), BY, st.integers(0, 2))
def test_restored_windows_go_on_as_if_nothing_had_happened(
    seed: int, cuts: list[int], by: str, place: int
) -> None:
    """(7): at any point, into windows that held something else."""
    rows = market(seed)
    expected = fresh(by).push(rows)
    other = market(seed + 1)
    windows, parts = fresh(by), []
    for a, b in pairwise([0, *sorted(cuts), 150]):
        parts.append(windows.push(taken(rows, slice(a, b))))
        snapshots = [windows.snapshot(symbol) for symbol in range(3)]
        windows = fresh(by)
        windows.push(taken(other, other.symbol_index == place))
        for symbol, snapshot in enumerate(snapshots):
            windows.restore(symbol, snapshot)
            again = {name: values.tobytes() for name, values in snapshot.items()}
            assert held(windows, symbol) == again
    assert bits(joined(parts)) == bits(expected)


@tried
@given(SEEDS, st.integers(0, 150), BY, st.integers(0, 2))
def test_symbol_goes_on_in_another_shard_as_if_nothing_had_happened(
    seed: int, at: int, by: str, symbol: int
) -> None:
    """(7): where the windows of other symbols are longer or shorter, from there and back."""
    rows = replace(of_symbol_0(seed), symbol_index=np.full(150, symbol, dtype=np.int32))
    expected = fresh(by).push(rows)
    alone = Windows([SUMS[by][symbol]], HALF_LIVES, timed=by == "duration")
    first = replace(taken(rows, slice(at)), symbol_index=np.zeros(at, dtype=np.int32))
    parts = [alone.push(first)]
    windows = fresh(by)
    windows.restore(symbol, alone.snapshot(0))
    alone.restore(0, windows.snapshot(symbol))
    windows = fresh(by)
    windows.restore(symbol, alone.snapshot(0))
    parts.append(windows.push(taken(rows, slice(at, None))))
    found = joined(parts)
    found.sound[:] = expected.sound
    assert bits(found) == bits(expected)


@tried
@given(SEEDS, st.integers(1, 150), BY)
def test_no_row_sees_a_later_one(seed: int, rows_so_far: int, by: str) -> None:
    """(8): not even one of its own time."""
    rows = market(seed)
    expected = fresh(by).push(taken(rows, slice(rows_so_far)))
    found = fresh(by).push(rows)
    assert bits(found, np.arange(150) < rows_so_far) == bits(expected)


@tried
@given(SEEDS, st.integers(1, 148), st.sampled_from([np.nan, 0.0, -3.0, 1e-13, 1e13, np.inf]))
def test_broken_price_touches_its_own_two_returns_only(seed: int, at: int, price: float) -> None:
    """(9)."""
    rows = of_symbol_0(seed)
    broken = replace(rows, close=np.where(np.arange(150) == at, price, rows.close))
    expected = fresh("count").push(rows).log_return
    expected[at : at + 2] = np.nan
    assert fresh("count").push(broken).log_return.tobytes() == expected.tobytes()


@tried
@given(SEEDS, BY)
def test_sums_of_squares_and_sizes_are_never_negative_and_terms_never_beyond_the_window(
    seed: int, by: str
) -> None:
    """(10)."""
    rows = of_symbol_0(seed)
    columns, sums = fresh(by).push(rows), SUMS[by][0]
    for k, one in enumerate(sums):
        if one.of not in {"returns", "signed_products"}:
            assert not (columns.values[k] < 0.0).any()
        assert (columns.terms[k] >= 0).all()
        if one.length:
            most = one.length - (one.of in {"products", "signed_products"})
            assert (columns.terms[k] <= most).all()


@tried
@given(SEEDS, st.integers(1, 149), st.floats(0.1, 10.0), BY)
def test_window_that_lags_does_not_change_with_the_newest_price(
    seed: int, at: int, factor: float, by: str
) -> None:
    """(11): what a return is judged by excludes it."""
    rows = taken(of_symbol_0(seed), slice(at + 1))
    other = replace(rows, close=np.append(rows.close[:-1], rows.close[-1] * factor))
    before, after = fresh(by).push(rows), fresh(by).push(other)
    lagging = [one.lag > 0 for one in SUMS[by][0]]
    assert after.values[lagging, -1].tobytes() == before.values[lagging, -1].tobytes()
    assert after.terms[lagging, -1].tolist() == before.terms[lagging, -1].tolist()


@tried
@given(SEEDS, BY)
def test_sums_are_the_exact_ones_of_any_market(seed: int, by: str) -> None:
    """All of it: windows by their definition, in whole numbers."""
    rows = of_symbol_0(seed)
    columns = fresh(by).push(rows)
    assert differences(columns, SUMS[by][0], rows) == []
