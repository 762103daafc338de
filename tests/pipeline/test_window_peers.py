"""The kernel against Polars, pandas, the standard library and `arch`, on returns all can bear."""

from __future__ import annotations

import statistics
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from arch.univariate import EWMAVariance
from numpy.typing import NDArray

from pipeline.windows import RollingSum, WindowColumns, Windows
from tests.pipeline.window_oracles import BITS, GOLDEN, closes, ewma, samples, units_of

S = 1_000_000

# RiskMetrics' lambda of 0.94 as a half-life: 0.94 = 2^(-1 / half-life).
RISKMETRICS = -1.0 / np.log2(0.94)


def sums_of(columns: WindowColumns) -> NDArray[np.float64]:
    return columns.values  # noqa: PD011 - not a frame


def test_rolling_of_polars_agrees() -> None:
    close = closes((np.random.default_rng(9).standard_t(4, 3000) * 1e-4).tolist())
    sums = [RollingSum(of, 120, need=120) for of in ("deviations", "squares", "returns")]
    columns = Windows([sums]).push(samples(close))
    r = pl.Series(columns.log_return, nan_to_null=True)
    squares = (r * r).rolling_sum(120).to_numpy()[120:]
    std = r.rolling_std(120).to_numpy()[120:]
    assert np.sqrt(sums_of(columns)[0, 120:] / 119) == pytest.approx(std, rel=1e-12)
    assert sums_of(columns)[1, 120:] == pytest.approx(squares, rel=1e-12)
    total = r.rolling_sum(120).to_numpy()[120:]
    assert sums_of(columns)[2, 120:] == pytest.approx(total, rel=1e-12, abs=1e-16)


def test_rolling_of_pandas_agrees_on_tame_returns_by_count_and_by_duration() -> None:
    random = np.random.default_rng(10)
    times = np.cumsum(random.integers(1, 2 * S, 2000))
    close = closes(random.normal(0.0, 1e-4, 1999).tolist())
    sums = [
        RollingSum("deviations", 50, need=50),
        RollingSum("deviations", duration_us=60 * S),
        RollingSum("squares", duration_us=60 * S),
    ]
    columns = Windows([sums], timed=True).push(samples(close, times))
    r = pd.Series(columns.log_return, index=pd.to_datetime(times, unit="us"))
    since = np.searchsorted(times, times[0] + 60 * S)
    std = np.sqrt(sums_of(columns)[:2] / (columns.terms[:2] - 1))
    assert std[0, 50:] == pytest.approx(r.rolling(50).std().to_numpy()[50:], rel=1e-9)
    by_duration = r.rolling("60s", closed="right")
    assert std[1, since:] == pytest.approx(by_duration.std().to_numpy()[since:], rel=1e-9)
    squares = (r * r).rolling("60s", closed="right").sum().to_numpy()
    assert sums_of(columns)[2, since:] == pytest.approx(squares[since:], rel=1e-9)


def test_standard_library_agrees_on_small_windows() -> None:
    close = closes((np.random.default_rng(11).standard_t(2, 19) * 1e-3).tolist())
    columns = Windows([[RollingSum("deviations", 5, need=5)]]).push(samples(close))
    units = [unit or 0 for unit in units_of(close.tolist())]
    for row in range(5, 20):
        wanted = statistics.stdev(Fraction(unit, 2**BITS) for unit in units[row - 4 : row + 1])
        assert np.sqrt(sums_of(columns)[0, row] / 4) == pytest.approx(wanted, rel=1e-14)


def decayed(
    close: NDArray[np.float64], half_life: float, times: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The kernel's log returns and EWMA, NaN before the first return."""
    windows = Windows([[RollingSum("returns", 1)]], [half_life], timed=times is not None)
    columns = windows.push(samples(close, times))
    return columns.log_return, columns.ewma[0]


def test_ewma_of_the_golden_returns_is_the_published_one() -> None:
    found = decayed(closes(GOLDEN), RISKMETRICS)[1][-1]
    # Weights add to one: adjusted, as pandas says.
    assert found == pytest.approx(2.5352205301757865e-06, rel=1e-9)
    # RiskMetrics starts at the first square instead: it has what weight is left.
    left = 0.94 ** len(GOLDEN)
    seeded = found * (1.0 - left) + GOLDEN[0] ** 2 * left
    assert seeded == pytest.approx(1.7083275491543223e-06, rel=1e-9)


def test_ewma_forgets_its_start_and_is_that_of_arch() -> None:
    close = closes((np.random.default_rng(12).standard_t(5, 1000) * 1e-2).tolist())
    r, found = decayed(close, RISKMETRICS)
    wanted = np.empty(1001)
    # Its value at a step is of the returns before it.
    given = np.append(r[1:], 0.0)
    EWMAVariance(0.94).compute_variance(
        np.empty(0), given, wanted, float(given[0] ** 2), np.tile([0.0, 1e6], (1001, 1))
    )
    assert found[700:] == pytest.approx(wanted[700:], rel=1e-12)


def test_ewma_with_missing_returns_is_that_of_pandas() -> None:
    random = np.random.default_rng(13)
    close = closes(random.normal(0.0, 1e-3, 500).tolist())
    close[random.random(501) < 0.2] = np.nan
    r, found = decayed(close, 20.0)
    # Weights go by age, missing samples counted.
    wanted = pd.Series(r * r).ewm(halflife=20.0, adjust=True, ignore_na=False).mean().to_numpy()
    first = np.flatnonzero(~np.isnan(r))[0]
    assert found[first:] == pytest.approx(wanted[first:], rel=1e-12)
    assert np.isnan(found[:first]).all()


def test_ewma_at_irregular_times_weighs_squares_by_age_and_the_seconds_they_took() -> None:
    # Half-life 5 s: at 10 s the returns at 1, 3 and 10 s weigh 2^(-9/5), 2^(-7/5), 1.
    found = decayed(closes([0.1, 0.2, 0.3]), 5.0, np.array([0, 1, 3, 10]) * S)[1]
    early, late = 2 ** (-9 / 5), 2 ** (-7 / 5)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.01, rel=1e-9)
    expected = (0.01 * early + 0.04 * late + 0.09) / (1 * early + 2 * late + 7)
    assert found[3] == pytest.approx(expected, rel=1e-9)


def test_ewma_at_irregular_times_with_ties_and_missing_returns_follows_its_recursion() -> None:
    random = np.random.default_rng(14)
    times = np.cumsum(random.choice([0, 0, 1000, 2 * S], 400))
    close = closes(random.normal(0.0, 1e-3, 399).tolist())
    close[random.random(400) < 0.1] = np.nan
    r, found = decayed(close, 3.0, times)
    assert found == pytest.approx(ewma(r, 3.0, times), rel=1e-12, nan_ok=True)
