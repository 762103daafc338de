from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.evaluation.nab import by_probation, by_rows_seen
from pipeline.evaluation.nab_detectors import NEED, change_and_level, multi_horizon, peaks

Series = Sequence[NDArray[np.float64]]
Detector = Callable[[Series], Series]


def noise(rows: int, seed: int = 5) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=rows)


@pytest.mark.parametrize("detector", [multi_horizon, change_and_level])
def test_detector_units_of_the_values_do_not_change_the_score(detector: Detector) -> None:
    values = noise(600)
    (one,), (other,) = detector([values]), detector([-40.0 + 1e6 * values])
    np.testing.assert_allclose(other, one, rtol=1e-6)


@pytest.mark.parametrize("detector", [multi_horizon, change_and_level])
def test_detector_later_rows_do_not_change_earlier_scores(detector: Detector) -> None:
    values = noise(6000)  # both probations are of 750 rows, which units are made of
    (whole,), (part,) = detector([values]), detector([values[:5500]])
    np.testing.assert_array_equal(whole[:5500], part)


@pytest.mark.parametrize("detector", [multi_horizon, change_and_level])
def test_detector_files_together_score_as_each_by_itself(detector: Detector) -> None:
    files = [noise(400, 1), 1e3 + noise(700, 2), np.zeros(300)]
    for together, values in zip(detector(files), files, strict=True):
        np.testing.assert_array_equal(together, detector([values])[0])


@pytest.mark.parametrize("detector", [multi_horizon, change_and_level])
def test_detector_jump_scores_highest_where_it_is(detector: Detector) -> None:
    values = noise(900)
    values[700:] += 40.0
    (score,) = detector([values])
    assert 700 <= np.nanargmax(score) < 724
    assert score[700] > 5 * np.nanmax(score[NEED + 10 : 700])


def test_multi_horizon_too_few_rows_gives_no_score() -> None:
    (score,) = multi_horizon([noise(600)])
    # The scale of the longest horizon, 6, ends 6 rows before the tested one.
    assert np.isnan(score[: NEED + 11]).all()
    assert not np.isnan(score[NEED + 11 :]).any()


@pytest.mark.parametrize("detector", [multi_horizon, change_and_level])
def test_detector_constant_series_scores_zero(detector: Detector) -> None:
    (score,) = detector([np.full(500, 7.0)])
    assert np.nanmax(score) == 0.0


def test_change_and_level_slow_drift_is_seen_by_the_level() -> None:
    values = noise(3000)
    values[2000:2300] += np.linspace(0.0, 6.0, 300)
    values[2300:] += 6.0
    (score,), (change,) = change_and_level([values]), multi_horizon([values])
    assert np.nanmax(score[2100:2500]) > 1.5 * np.nanmax(score[500:2000])
    assert np.nanmax(change[2100:2500]) < 1.5 * np.nanmax(change[500:2000])


def test_peaks_scores_below_or_equal_to_a_recent_one_are_dropped() -> None:
    score = np.array([1.0, 3.0, 3.0, 2.0, np.nan, 2.5, 4.0])
    since = np.maximum(np.arange(7) - 3, 0)
    kept = peaks(score, since)
    np.testing.assert_array_equal(kept, [1.0, 3.0, np.nan, np.nan, np.nan, np.nan, 4.0])


def test_peaks_score_counts_again_when_the_larger_one_is_long_ago() -> None:
    kept = peaks(np.array([5.0, 1.0, 2.0, 1.5]), np.maximum(np.arange(4) - 1, 0))
    np.testing.assert_array_equal(kept, [5.0, np.nan, 2.0, np.nan])


def test_peaks_random_scores_are_those_that_beat_the_maximum_before() -> None:
    score = np.random.default_rng(3).integers(0, 50, 500).astype(float)
    score[::7] = np.nan
    since = by_rows_seen(500)
    kept = peaks(score, since)
    for row in range(500):
        before = score[since[row] : row]
        beats = not (before >= score[row]).any() and not np.isnan(score[row])
        assert (not np.isnan(kept[row])) == beats


def test_by_probation_row_must_beat_half_a_probation() -> None:
    assert by_probation(1000)[[0, 75, 76, 999]].tolist() == [0, 0, 1, 924]


def test_by_rows_seen_row_must_beat_thirty_percent_and_never_looks_back_further_later() -> None:
    since = by_rows_seen(1000)
    assert since[[0, 10, 100]].tolist() == [0, 7, 70]
    assert (np.diff(since) >= 0).all()
