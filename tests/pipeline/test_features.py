"""Built-in features, by published figures or by hand, from the close to the column."""

from __future__ import annotations

from math import sqrt

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from pipeline.durations import MINUTE, SECOND
from pipeline.feature_table import FeatureTable
from pipeline.features import BUILT_IN, REGIMES, annualised
from pipeline.ranges import RangeColumns
from pipeline.windows import RollingSum, Windows
from tests.pipeline.window_oracles import GOLDEN, closes, samples

YEAR_S = 31_536_000

Known = list[float | None]


def values(
    name: str,
    close: NDArray[np.float64] | list[float],
    *,
    every_us: int | None = SECOND,
    trades: list[int] | None = None,
    ranges: RangeColumns | None = None,
    time_us: list[int] | None = None,
) -> Known:
    table = FeatureTable([name], every_us=every_us)
    sums = [*table.statistics.sums, RollingSum("returns", 1)]
    windows = Windows([sums], table.statistics.half_lives, timed=every_us is None)
    columns = windows.push(samples(close, time_us, trades))
    return table.compute(pl.DataFrame(), columns, ranges)[name].to_list()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("realized_vol_10s", 0.0016024980499208105 * sqrt(YEAR_S)),
        ("subsampled_vol_10s_3s", sqrt(3.83e-06 / 8 * YEAR_S)),
        ("bipower_vol_10s", sqrt(3.0700341542580256e-05 / 10 * YEAR_S)),
        ("jump_share_10s", 0.0),  # bipower variation is the larger
        ("roll_spread_bp_10s", 26.74156149350877),
        ("vol_ratio_3s_10s", sqrt((0.0007**2 + 0.0012**2) / 3 / 2.568e-06)),
    ],
)
def test_feature_of_the_golden_returns_is_the_published_one(name: str, expected: float) -> None:
    assert values(name, closes(GOLDEN))[-1] == pytest.approx(expected, rel=1e-9)


def test_volatility_is_annualised_on_365_days_whatever_the_grid() -> None:
    close = closes(np.tile([0.001, -0.001], 4).tolist())
    # The factors of the mathematics page.
    assert values("realized_vol_3s", close)[-1] == pytest.approx(0.001 * 5615.69, rel=1e-6)
    by_minute = values("realized_vol_3m", close, every_us=MINUTE)[-1]
    assert by_minute == pytest.approx(0.001 * 724.983, rel=1e-6)


@pytest.mark.parametrize(("step_s", "factor"), [(300, 324.222), (3600, 93.5949), (86_400, 19.1050)])
def test_annual_factor_of_a_step_is_the_published_one(step_s: int, factor: float) -> None:
    found = pl.select(annualised(pl.lit(1.0 / step_s))).item()
    assert found == pytest.approx(factor, abs=6e-4 if step_s == 300 else 6e-5)


def test_annualised_deviation_of_the_golden_returns_is_the_published_one() -> None:
    deviation = 0.0016891812612426572
    found = pl.select(annualised(pl.lit(deviation) ** 2)).item()
    assert found == pytest.approx(9.485922200819488, rel=1e-9)


def test_volatility_is_unknown_until_its_window_is_full_and_half_valid() -> None:
    vol = values("realized_vol_4s", [100.0, 101.0, 102.0, 103.0, np.nan, np.nan, np.nan])
    # Row 3 holds three returns only; row 4 three valid ones of four, row 5 two, row 6 one.
    assert [one is None for one in vol] == [True, True, True, True, False, False, True]


def test_volatility_of_flat_prices_is_exactly_zero() -> None:
    for name in ("realized_vol_2s", "bipower_vol_2s", "subsampled_vol_2s_2s", "roll_spread_bp_2s"):
        assert values(name, [7.0] * 5)[-1] == 0.0


def test_ewma_vol_is_known_from_the_first_return() -> None:
    vol = values("ewma_vol_1s", [1.0, np.e**0.001])
    assert vol[0] is None
    assert vol[1] == pytest.approx(0.001 * sqrt(YEAR_S), rel=1e-9)


def test_jump_share_of_a_jump_is_what_bipower_variation_leaves_out() -> None:
    # Ten returns of 0.001 but for one of 0.01: 9 + 100 and pi/2 * (7 + 20) / 9 * 10, in 1e-6.
    close = closes([*[0.001] * 5, 0.01, *[0.001] * 4])
    expected = 1 - (np.pi / 2 * 27 / 9 * 10) / 109
    assert values("jump_share_10s", close)[-1] == pytest.approx(expected, rel=1e-9)


def test_jump_share_of_flat_prices_is_unknown() -> None:
    assert values("jump_share_3s", [7.0] * 6) == [None] * 6


def test_roll_spread_of_a_bounce_is_its_width_and_of_a_trend_zero() -> None:
    # Prices between bid and ask by turns: 10 basis points apart.
    bounce = [100.0 * np.exp(0.001 * (row % 2)) for row in range(12)]
    assert values("roll_spread_bp_10s", bounce)[-1] == pytest.approx(2 * 10.0, rel=1e-9)
    assert values("roll_spread_bp_10s", closes([0.001] * 11))[-1] == 0.0


def test_subsampled_vol_of_a_bounce_is_less_than_the_realized() -> None:
    bounce = [100.0 * np.exp(0.001 * (row % 2)) for row in range(12)]
    assert values("subsampled_vol_10s_2s", bounce)[-1] == 0.0
    assert values("realized_vol_10s", bounce)[-1] == pytest.approx(0.001 * sqrt(YEAR_S))


def test_vol_ratio_of_flat_prices_is_unknown() -> None:
    assert values("vol_ratio_2s_4s", [7.0] * 6) == [None] * 6


@pytest.mark.parametrize(
    ("ratio", "regime"),
    [
        (0.0, 0.0),
        (0.599, 0.0),
        (0.601, 1.0),
        (1.599, 1.0),
        (1.601, 2.0),
        (2.999, 2.0),
        (3.001, 3.0),
    ],
)
def test_vol_regime_counts_the_bounds_that_the_ratio_reaches(ratio: float, regime: float) -> None:
    # One return of the last of ten seconds: variances s^2 over (9 r^2 + s^2) / 10.
    size = 0.001
    newest = size * sqrt(9 * ratio**2 / (10 - ratio**2))
    close = closes([*[size] * 9, newest])
    assert values("vol_ratio_1s_10s", close)[-1] == pytest.approx(ratio, abs=1e-9)
    assert values("vol_regime_1s_10s", close)[-1] == regime


def test_vol_regime_is_as_published_and_includes_its_lower_bounds() -> None:
    assert REGIMES == {"calm": 0.0, "normal": 0.6, "elevated": 1.6, "extreme": 3.0}
    # The same returns throughout: a ratio of one, without rounding. Twice the newest of four: 2.
    same = FeatureTable(["vol_regime_1s_2s"], every_us=SECOND)._expressions["vol_regime_1s_2s"]
    variances = pl.DataFrame({"variance@1s": [9.0, 36.0, 0.36], "variance@2s": [1.0, 4.0, 1.0]})
    assert variances.select(same).to_series().to_list() == [3.0, 3.0, 1.0]


def test_vol_regime_is_unknown_while_a_window_is_and_for_flat_prices() -> None:
    assert values("vol_regime_1s_3s", closes([0.1, 0.1, 0.1]).tolist()) == [None, None, None, 1.0]
    assert values("vol_regime_1s_3s", [7.0] * 5) == [None] * 5


def test_trade_burst_is_anscombes_deviate_of_the_half_hour_before() -> None:
    # Two trades a second for half an hour, then 60 in ten seconds where 20 were to be expected.
    trades = [2] * 1800 + [6] * 10
    found = values("trade_burst_z_10s", [1.0] * 1810, trades=trades)
    assert found[-1] == pytest.approx(2 * (sqrt(60.375) - sqrt(20.375)), rel=1e-12)
    assert found[:-1] == [None] * 1809
    calm = values("trade_burst_z_10s", [1.0] * 1810, trades=[2] * 1810)
    assert calm[-1] == 0.0


def test_range_vols_are_annualised_roots_of_the_mean_variances() -> None:
    means = RangeColumns(*(np.array([[sigma**2]]) for sigma in (0.0107, 0.0112, 0.011)))
    found = [
        values(f"{name}_vol_5m", [1.0], ranges=means)[0]
        for name in ("parkinson", "garman_klass", "rogers_satchell")
    ]
    by_minute = [sigma * 724.9827584156743 for sigma in (0.0107, 0.0112, 0.011)]
    assert found == pytest.approx(by_minute, rel=1e-12)


def test_garman_klass_vol_of_a_negative_variance_is_unknown() -> None:
    below = RangeColumns(*(np.array([[-1e-9, 0.0, np.nan]]) for _ in range(3)))
    assert values("garman_klass_vol_1m", [1.0] * 3, ranges=below) == [None, 0.0, None]


def test_volatility_where_every_trade_is_a_sample_is_over_the_seconds_of_the_window() -> None:
    times = [one * SECOND for one in (0, 10, 12, 19)]
    vol = values("realized_vol_10s", closes([0.1, 0.2, 0.3]), every_us=None, time_us=times)
    assert vol[:2] == [None, pytest.approx(sqrt(0.01 / 10 * YEAR_S))]
    assert vol[3] == pytest.approx(sqrt(0.14 / 10 * YEAR_S))


def test_built_in_features_are_the_documented_ones() -> None:
    assert sorted(one.template for one in BUILT_IN) == [
        "bipower_vol_{window}",
        "ewma_vol_{half_life}",
        "garman_klass_vol_{window}",
        "jump_share_{window}",
        "parkinson_vol_{window}",
        "realized_vol_{window}",
        "rogers_satchell_vol_{window}",
        "roll_spread_bp_{window}",
        "subsampled_vol_{window}_{step}",
        "trade_burst_z_{window}",
        "vol_ratio_{short}_{long}",
        "vol_regime_{short}_{long}",
    ]
