from __future__ import annotations

import itertools
from fractions import Fraction
from math import log1p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.windows import UNIT, Window, WindowColumns, Windows

# The golden returns of the project's mathematics page.
GOLDEN = [0.001, -0.002, 0.0015, 0.0005, -0.001, 0.003, -0.0025, 0.0, 0.0007, -0.0012]


def push(windows: Windows, close: NDArray[np.float64], complete: bool = True) -> WindowColumns:  # noqa: FBT001, FBT002
    return windows.push(np.zeros(len(close), dtype=np.int32), close, np.full(len(close), complete))


def golden_closes() -> NDArray[np.float64]:
    return 100.0 * np.exp(np.cumsum([0.0, *GOLDEN]))


def test_squares_of_the_golden_returns_are_their_realised_variance() -> None:
    columns = push(Windows([[Window(10)]], []), golden_closes())
    assert columns.squares[-1, 0] == pytest.approx(2.568e-05, rel=1e-9)
    assert columns.samples[-1, 0] == 10
    mean = columns.total[-1, 0] / 10
    std = np.sqrt((columns.squares[-1, 0] - 10 * mean**2) / 9)
    assert std == pytest.approx(0.0016891812612426572, rel=1e-9)


def test_window_that_lags_ends_before_the_newest_sample() -> None:
    columns = push(Windows([[Window(9), Window(9, lag=1)]], []), golden_closes())
    assert columns.squares[-1, 1] == columns.squares[-2, 0]
    assert columns.total[-1, 1] == columns.total[-2, 0]


def test_window_is_filled_after_its_length_in_rows_and_counts_valid_samples() -> None:
    close = np.array([100.0, 101.0, np.nan, 102.0, 103.0])
    columns = push(Windows([[Window(3)]], []), close)
    assert columns.filled[:, 0].tolist() == [False, False, True, True, True]
    assert columns.samples[:, 0].tolist() == [0, 1, 1, 1, 1]
    assert np.isnan(columns.log_return).tolist() == [True, False, True, True, False]


def test_window_with_an_incomplete_bar_is_not_whole_until_that_has_left() -> None:
    windows = Windows([[Window(2)]], [])
    flags = [
        bool(push(windows, np.array([100.0]), complete).whole[0, 0])
        for complete in (True, False, True, True, True)
    ]
    assert flags == [True, False, False, True, True]


def test_return_that_no_market_makes_is_a_missing_sample() -> None:
    columns = push(Windows([[Window(4)]], []), np.array([1.0, 60.0, 61.0, -5.0, 61.0]))
    # log(60) is 4.09; a price below zero is none.
    assert np.isnan(columns.log_return).tolist() == [True, True, False, True, True]
    assert columns.samples[-1, 0] == 1


def test_flat_prices_sum_to_exactly_zero_after_a_spike_has_left() -> None:
    close = np.concatenate([[100.0, 150.0, 100.0], np.full(200, 100.0)])
    columns = push(Windows([[Window(120)]], []), close)
    assert columns.squares[-1, 0] == 0.0
    assert columns.total[-1, 0] == 0.0


def test_sums_match_fractions_on_the_integers_exactly() -> None:
    random = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(random.standard_t(3, 400) * 1e-3))
    columns = push(Windows([[Window(120)]], []), close)
    q = [round(log1p((new - old) / old) * 2**58) for old, new in itertools.pairwise(close)]
    for row in (130, 250, 399):
        window = q[row - 120 : row]
        exact = Fraction(sum(value * value for value in window), 2**116)
        # One rounding for each of the two 64-bit limbs.
        assert abs(Fraction(columns.squares[row, 0]) / exact - 1) < Fraction(1, 2**52)
        assert columns.total[row, 0] == sum(window) * UNIT


def test_deviation_stays_within_the_promise_on_tame_and_nasty_returns() -> None:
    random = np.random.default_rng(5)
    tame = 100.0 * np.exp(np.cumsum(random.normal(0, 1e-4, 2000)))
    nasty = tame.copy()
    nasty[500:] *= 1.5
    for close in (tame, nasty):
        columns = push(Windows([[Window(120)]], []), close)
        wide = np.diff(np.log(close.astype(np.longdouble)))
        for row in (400, 510, 1000, 1999):
            window = wide[row - 120 : row]
            oracle = np.sqrt(np.mean((window - window.mean()) ** 2) * 120 / 119)
            mean = columns.total[row, 0] / 120
            std = np.sqrt((columns.squares[row, 0] - 120 * mean**2) / 119)
            assert abs(std / float(oracle) - 1) < 1e-10


def test_ewma_follows_its_recursion_and_skips_missing_samples() -> None:
    # d = 2^(-1/hl): with a half-life of one sample the weights are 1, 1/2, 1/4, ...
    close = np.array([1.0, np.e**0.1, np.nan, np.nan, 1.0, np.e**0.3])
    columns = push(Windows([[Window(1)]], [1.0]), close)
    assert np.isnan(columns.ewma[0, 0])
    assert columns.ewma[1:5, 0] == pytest.approx([0.01] * 4)
    assert columns.ewma[5, 0] == pytest.approx((0.09 + 0.01 / 16) / (1 + 1 / 16))


def test_returns_that_add_up_to_more_than_the_range_raise() -> None:
    close = np.exp(3.9 * np.arange(20))  # 3.9, 7.8, 11.7, 15.6, 19.5
    with pytest.raises(OverflowError, match="less than 16, row 5 does not"):
        push(Windows([[Window(20)]], []), close)


@settings(max_examples=40)
@given(st.data())
def test_windows_of_any_cut_and_interleaving_are_the_same_bits(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    symbols, rows = 3, 90
    close = 50 * np.exp(np.cumsum(random.standard_t(3, (symbols, rows)) * 1e-2, axis=1))
    close[random.random((symbols, rows)) < 0.1] = np.nan
    wanted = [
        [Window(7), Window(20, lag=1)],
        [Window(7), Window(33, lag=1)],
        [Window(7), Window(5)],
    ]
    alone = [push(Windows([wanted[s]], [9.0]), close[s]) for s in range(symbols)]
    together = Windows(wanted, [9.0])
    order = random.permutation(np.repeat(np.arange(symbols, dtype=np.int32), rows))
    positions = np.array([np.count_nonzero(order[:at] == order[at]) for at in range(len(order))])
    cuts = np.sort(random.integers(0, len(order), 5))
    got = [
        together.push(part, np.ascontiguousarray(close[part, at]), np.ones(len(part), dtype=bool))
        for part, at in zip(np.split(order, cuts), np.split(positions, cuts), strict=True)
    ]
    for name in ("log_return", "samples", "filled", "whole", "total", "squares", "ewma"):
        joined = np.concatenate([getattr(columns, name) for columns in got])
        for s in range(symbols):
            assert joined[order == s].tobytes() == getattr(alone[s], name).tobytes()
