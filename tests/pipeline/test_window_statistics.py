from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.durations import MINUTE, SECOND
from pipeline.ranges import RangeColumns
from pipeline.window_statistics import Statistic, Statistics, statistic_named
from pipeline.windows import RollingSum, Windows
from tests.pipeline.window_oracles import GOLDEN, closes, samples


def last(
    name: str,
    close: NDArray[np.float64],
    *,
    every_us: int | None = SECOND,
    time_us: list[int] | None = None,
    trades: list[int] | None = None,
) -> float:
    """The newest value of a statistic; NaN where it is unknown."""
    statistics = Statistics([statistic_named(name)], every_us=every_us)
    sums = [*statistics.sums, RollingSum("returns", 1)]
    windows = Windows([sums], statistics.half_lives, timed=every_us is None)
    columns = windows.push(samples(close, time_us, trades))
    return float(statistics.compute(columns, None)[name][-1])


def test_statistic_named_reads_kind_window_lag_and_step() -> None:
    assert statistic_named("variance@5m") == Statistic("variance@5m", "variance", 5 * MINUTE)
    stepped = statistic_named("variance@5m,step=5s")
    assert (stepped.step_us, stepped.lag_us) == (5 * SECOND, 0)
    lagged = statistic_named("trades@30m,lag=10s")
    assert (lagged.step_us, lagged.lag_us, lagged.reach_us) == (None, 10 * SECOND, 1810 * SECOND)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("variance", "expected a statistic such as variance@5m, found 'variance'"),
        ("vol@5m", "expected a statistic such as variance@5m, found 'vol@5m'"),
        ("variance@5m,lag=1s", "expected no lag of variance, found 'variance@5m,lag=1s'"),
        ("trades@5m,step=1s", "expected no step of trades, found 'trades@5m,step=1s'"),
        ("variance@5m,by=1s", "expected a statistic such as variance@5m, found"),
        ("variance@5", "expected a duration such as 250ms, 1s, 5m, 1h or 7d, found '5'"),
    ],
)
def test_statistic_named_of_no_statistic_says_so(name: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message):
        statistic_named(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("return@9s", -0.001),
        ("variance@10s", 2.568e-06),
        ("variance@10s,step=3s", 3.83e-06 / 8),  # subsampled sum of 8 returns over 3 seconds
        ("bipower@10s", 3.0700341542580256e-06),  # with n / (n - 1)
        ("autocovariance@10s", -((0.002674156149350877 / 2) ** 2)),
        ("samples@10s", 10.0),
        ("trades@10s", 65.0),
        ("trades@4s,lag=3s", 26.0),
    ],
)
def test_statistic_of_the_golden_returns_is_the_published_one(name: str, expected: float) -> None:
    trades = list(range(1, 12))  # 11 with the newest return
    assert last(name, closes(GOLDEN), trades=trades) == pytest.approx(expected, rel=1e-9)


def test_ewma_statistic_is_the_published_one_by_half_life() -> None:
    # 0.94 = 2^(-1 / 11.2 s), in milliseconds on a grid of 100 ms.
    statistics = Statistics([statistic_named("ewma@1120ms")], every_us=100_000)
    columns = Windows([[RollingSum("returns", 1)]], statistics.half_lives).push(
        samples(closes(GOLDEN))
    )
    found = statistics.compute(columns, None)["ewma@1120ms"][-1]
    assert found == pytest.approx(10 * 2.5352205301757865e-06, rel=1e-4)


@pytest.mark.parametrize("name", ["variance@10m", "variance@10m,step=3m", "bipower@10m"])
def test_variances_are_per_second_on_any_grid(name: str) -> None:
    by_second = last(name.replace("m", "s"), closes(GOLDEN))
    by_minute = last(name, closes(GOLDEN), every_us=MINUTE)
    assert by_minute == pytest.approx(by_second / 60, rel=1e-12)


def test_return_is_unknown_where_one_step_is() -> None:
    close = closes(GOLDEN)
    close[8] = np.nan
    assert np.isnan(last("return@9s", close))
    assert last("variance@9s", close) > 0.0
    assert last("samples@9s", close) == 7.0


def test_statistics_by_duration_are_over_the_seconds_whatever_trades_there_were() -> None:
    # Trades at 10, 12 and 19 s within the ten seconds to 19 s; the first has come before.
    times = [one * SECOND for one in (0, 10, 12, 19)]
    close = closes([0.1, 0.2, 0.3])
    found = {
        name: last(f"{name}@10s", close, every_us=None, time_us=times)
        for name in ("return", "variance", "bipower", "autocovariance", "samples", "trades")
    }
    assert found["return"] == pytest.approx(0.6)
    assert found["variance"] == pytest.approx((0.01 + 0.04 + 0.09) / 10)
    assert found["bipower"] == pytest.approx(np.pi / 2 * 3 / 2 * (0.02 + 0.06) / 10)
    assert found["autocovariance"] == pytest.approx((0.02 + 0.06) / 2)
    assert (found["samples"], found["trades"]) == (3.0, 3.0)


def test_ewma_by_duration_is_per_second() -> None:
    times = [0, 4 * SECOND]
    found = last("ewma@7s", closes([0.2]), every_us=None, time_us=times)
    assert found == pytest.approx(0.04 / 4)


def test_ranges_are_per_second_of_their_bars() -> None:
    names = ("garman_klass@2m", "parkinson@1m", "parkinson@2m", "rogers_satchell@1m")
    statistics = Statistics([statistic_named(name) for name in names], every_us=SECOND)
    assert (statistics.range_windows, statistics.range_step_us) == ((2, 1), MINUTE)
    columns = Windows([[RollingSum("returns", 1)]]).push(samples([1.0]))
    means = np.array([[60.0], [120.0]])
    found = statistics.compute(columns, RangeColumns(means, means * 10, means * 100))
    assert [found[name].tolist() for name in names] == [[10.0], [2.0], [1.0], [200.0]]


def test_range_bars_are_those_of_the_grid_where_it_is_longer() -> None:
    statistics = Statistics([statistic_named("parkinson@1h")], every_us=5 * MINUTE)
    assert (statistics.range_windows, statistics.range_step_us) == ((12,), 5 * MINUTE)


def test_statistics_that_need_the_same_sum_share_it() -> None:
    names = ("variance@5m", "samples@5m", "variance@1m", "ewma@1m", "ewma@60s")
    statistics = Statistics([statistic_named(name) for name in names], every_us=SECOND)
    assert statistics.sums == (RollingSum("squares", 300), RollingSum("squares", 60))
    assert statistics.half_lives == (60.0,)


@pytest.mark.parametrize(
    ("name", "every_us", "message"),
    [
        ("variance@10s", 7 * SECOND, "expected a window that is a multiple of 7s, found"),
        ("trades@14s,lag=1s", 7 * SECOND, "expected a window that is a multiple of 7s, found"),
        ("variance@14s,step=1s", 7 * SECOND, "expected a window that is a multiple of 7s, found"),
        ("variance@5s,step=6s", SECOND, "expected a step within the window, found"),
        ("variance@5s,step=0s", SECOND, "expected a step within the window, found"),
        ("trades@30m,lag=10s", None, r"expected a grid \(sampling.every\) for .*, found trades"),
        ("variance@5m,step=5s", None, r"expected a grid \(sampling.every\) for .*, found trades"),
        ("parkinson@90s", SECOND, "expected whole bars of 1m that the grid divides, found"),
        ("parkinson@7m", 7 * SECOND, "expected whole bars of 1m that the grid divides, found"),
    ],
)
def test_statistic_that_does_not_fit_the_grid_says_so(
    name: str, every_us: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match="^" + message):
        Statistics([statistic_named(name)], every_us=every_us)


def test_ewma_of_any_half_life_fits_any_grid() -> None:
    assert Statistics([statistic_named("ewma@1s")], every_us=7 * SECOND).half_lives == (1 / 7,)
