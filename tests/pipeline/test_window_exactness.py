"""The kernel against whole numbers and fractions, and deviations in 80-bit floats."""

from __future__ import annotations

from itertools import product
from math import isqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.rolling_sums import Summand
from pipeline.windows import RollingSum, Trim, Windows
from tests.benchmarks.exactness.inputs import INPUTS, early_spike
from tests.pipeline.window_oracles import (
    BITS,
    closes,
    differences,
    samples,
    spanned,
    terms_of,
    units_of,
    window,
)

S = 1_000_000
SUMMANDS: tuple[Summand, ...] = ("returns", "squares", "deviations", "products", "signed_products")


def broken_market(rows: int, seed: int = 3) -> NDArray[np.float64]:
    """Heavy tails, flat stretches, missing and absurd prices, moves of e^3.9."""
    random = np.random.default_rng(seed)
    moves = random.standard_t(3, rows) * 1e-3
    moves[random.random(rows) < 0.3] = 0.0
    moves[rows // 3 : rows // 2 : 7] = 3.9
    moves[rows // 3 + 2 : rows // 2 : 7] = -3.9
    close: NDArray[np.float64] = 100.0 * np.exp(np.cumsum(moves))
    close[random.random(rows) < 0.03] = np.nan
    close[random.random(rows) < 0.01] = 0.0
    return close


def test_sums_over_windows_by_count_are_exactly_the_fractions() -> None:
    sums = [
        RollingSum(of, length, lag=lag)
        for of, (length, lag) in product(SUMMANDS, [(1, 0), (2, 1), (30, 0), (61, 7)])
    ]
    for length, lag, horizon in [(30, 5, 5), (56, 0, 5), (60, 15, 15), (10, 2, 3)]:
        sums.append(RollingSum("squares", length, lag=lag, horizon=horizon, need=3))
        sums.append(RollingSum("deviations", length, lag=lag, horizon=horizon, need=1))
        sums.append(RollingSum("trimmed_squares", length, lag=lag, horizon=horizon, need=3))
    sums += [RollingSum("trades", 20), RollingSum("trades", 20, lag=20)]
    trades = np.random.default_rng(1).integers(-2, 9, 700).tolist()
    given, trim = samples(broken_market(700), trades=trades), Trim(floor=1e-3, tick=0.5)
    assert differences(Windows([sums], trims=[trim]).push(given), sums, given, trim) == []


def test_sums_over_windows_by_duration_are_exactly_the_fractions() -> None:
    random = np.random.default_rng(2)
    times = np.cumsum(random.choice([0, 0, 0, 1000, 50_000, 400_000], 900))
    times[500:] += 60 * S  # a silence longer than every window
    sums = [
        RollingSum(of, duration_us=duration_us, lag=lag)
        for of, duration_us, lag in product(SUMMANDS, [1000, 5 * S], [0, 1, 4])
    ]
    sums.append(RollingSum("trimmed_squares", duration_us=5 * S, lag=1))
    sums += [RollingSum("trades", duration_us=3 * S), RollingSum("deviations", 40, lag=1)]
    given = samples(broken_market(900), times, random.integers(-2, 9, 900).tolist())
    assert differences(Windows([sums], timed=True).push(given), sums, given) == []


def test_trimmed_squares_are_those_of_outliers_found_without_floats() -> None:
    close = closes((np.random.default_rng(4).standard_t(2, 300) * 1e-3).tolist())
    scale = RollingSum("squares", 40, lag=5, horizon=5)
    one = RollingSum("trimmed_squares", 40, lag=5, horizon=5)
    columns = Windows([[scale, one]], trims=[Trim(sigmas=2.0, floor=1e-9)]).push(samples(close))
    returns = spanned(units_of(close.tolist()), 5)
    sizes = [None if value is None else abs(value) for value in returns]
    for row in range(len(sizes)):
        inside, full = window(scale, row, [])
        squares, size = terms_of(scale, returns, inside), sizes[row]
        if full and size is not None and size * size * len(squares) > 4 * sum(squares):
            sizes[row] = isqrt(sum(squares) // len(squares))
    for row in range(95, 300):
        squares = terms_of(one, sizes, window(one, row, [])[0])
        assert columns.values[1, row] == pytest.approx(sum(squares) / 2 ** (2 * BITS), rel=1e-12)
    assert sum(a != b for a, b in zip(sizes, [r and abs(r) for r in returns], strict=True)) > 20


def deviations(close: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """The kernel's standard deviation (n - 1), NaN until the window is full of returns."""
    one = RollingSum("deviations", length, need=length)
    columns = Windows([[one]]).push(samples(close))
    std: NDArray[np.float64] = np.sqrt(columns.values[0] / (length - 1))
    return std


def two_passes(close: NDArray[np.float64], row: int, length: int) -> tuple[float, float]:
    """Deviation (n - 1) and root mean square of the newest returns, in 80-bit floats."""
    prices = close[row - length : row + 1].astype(np.longdouble)
    r = np.log1p((prices[1:] - prices[:-1]) / prices[:-1])
    off = r - r.sum() / length
    return float(np.sqrt((off * off).sum() / (length - 1))), float(np.sqrt((r * r).mean()))


def check_against_two_passes(close: NDArray[np.float64], length: int, rows: int) -> None:
    std = deviations(close, length)
    assert not np.isnan(std[length:]).any()
    assert (std[length:] >= 0.0).all()
    for row in np.unique(np.linspace(length, len(close) - 1, rows).astype(int)):
        wanted, rms = two_passes(close, row, length)
        # Nothing but the rounding of prices is left of a constant return: judged by its size.
        scale = wanted if wanted > 1e-9 * rms else rms
        assert abs(std[row] - wanted) <= (1e-11 if wanted >= 1e-6 else 1e-8) * scale


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_deviation_is_that_of_two_passes_in_80_bits(name: str) -> None:
    close = INPUTS[name](6000, np.random.default_rng(7))
    check_against_two_passes(close, 120, 1500)


@pytest.mark.parametrize("length", [120, 36_000])
def test_deviation_of_a_million_rows_has_not_drifted_after_a_spike(length: int) -> None:
    check_against_two_passes(early_spike(1_000_000, np.random.default_rng(8)), length, 100)


def test_deviation_of_flat_prices_is_exactly_zero_at_once() -> None:
    close = INPUTS["spike, then 1e-9"](6000, np.random.default_rng(7))
    flat = slice(1500 + 121, 1500 + 360)  # between the spike's leaving and the noise
    assert deviations(close, 120)[flat].tolist() == [0.0] * 239
