from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.durations import SECOND
from pipeline.features import FeatureTable, feature_named
from pipeline.windows import Windows


def compute(
    names: list[str], close: NDArray[np.float64], *, every_us: int = SECOND
) -> dict[str, list[float | None]]:
    table = FeatureTable(names, every_us=every_us)
    windows = Windows([list(table.windows)], table.half_lives)
    rows = len(close)
    columns = windows.push(np.zeros(rows, dtype=np.int32), close, np.ones(rows, dtype=bool))
    return table.compute(columns).to_dict(as_series=False)


def test_realized_vol_of_the_golden_returns_is_annualised_on_365_days() -> None:
    returns = [0.001, -0.002, 0.0015, 0.0005, -0.001, 0.003, -0.0025, 0.0, 0.0007, -0.0012]
    close = 100.0 * np.exp(np.cumsum([0.0, *returns]))
    vol = compute(["realized_vol_10s"], close)["realized_vol_10s"]
    # rms 0.0016024980499208105 a second, times sqrt(31,536,000).
    assert vol[-1] == pytest.approx(0.0016024980499208105 * 5615.692299, rel=1e-9)


def test_realized_vol_scales_with_the_grid_step() -> None:
    close = 100.0 * np.exp(np.cumsum(np.tile([0.001, -0.001], 4)))
    by_minute = compute(["realized_vol_3m"], close, every_us=60 * SECOND)["realized_vol_3m"]
    assert by_minute[-1] == pytest.approx(0.001 * 724.9827584156743, rel=1e-9)


def test_realized_vol_is_unknown_until_its_window_is_full_and_half_valid() -> None:
    close = np.array([100.0, 101.0, 102.0, 103.0, np.nan, np.nan, np.nan])
    vol = compute(["realized_vol_4s"], close)["realized_vol_4s"]
    # Rows 3 and 4 hold 3 valid samples of 4, row 5 holds 2, row 6 holds 1.
    assert [value is None for value in vol] == [True, True, True, False, False, False, True]


def test_realized_vol_of_flat_prices_is_exactly_zero() -> None:
    assert compute(["realized_vol_2s"], np.full(4, 7.0))["realized_vol_2s"][-1] == 0.0


def test_ewma_vol_is_known_from_the_first_return() -> None:
    vol = compute(["ewma_vol_1s"], np.array([1.0, np.e**0.001]))["ewma_vol_1s"]
    assert vol[0] is None
    assert vol[1] == pytest.approx(0.001 * 5615.692299, rel=1e-9)


def test_features_keep_the_order_of_their_names() -> None:
    names = ["ewma_vol_1m", "realized_vol_5m", "realized_vol_1m"]
    assert list(compute(names, np.array([1.0]))) == names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vol_1m", "expected realized_vol_<duration> or ewma_vol_<duration>, found 'vol_1m'"),
        ("realized_vol_0s", "expected a window up to 1d, found 0s in 'realized_vol_0s'"),
        ("realized_vol_25h", "expected a window up to 1d"),
        ("ewma_vol_x", "expected a duration such as"),
    ],
)
def test_feature_named_of_an_unknown_name_says_what_is_known(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        feature_named(name)
