"""The rules of the benchmark on cases small enough to count by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.evaluation.nab_rules import (
    OUTSIDE,
    PROFILES,
    Labelled,
    Profile,
    joined,
    label,
    normalised,
    optimum,
    probation_of,
)

STANDARD, LOW_FP, LOW_FN = PROFILES


def counted(rows: int, spans: list[tuple[int, int]]) -> Labelled:
    """A file without a probation, so that few rows are enough."""
    file = label(rows, spans)
    return Labelled(np.ones(rows, dtype=np.bool_), file.window, file.worth, file.windows)


@pytest.mark.parametrize(
    ("rows", "expected"), [(100, 15), (1127, 169), (4032, 604), (5000, 750), (22695, 750)]
)
def test_probation_of_files_is_fifteen_percent_of_5000_rows_at_most(
    rows: int, expected: int
) -> None:
    assert probation_of(rows) == expected


def test_label_window_is_worth_one_at_its_first_row_and_less_at_each_later() -> None:
    file = label(6, [(1, 4)])
    # tanh(2.5 p) at p = 1, 3/4, 2/4, 1/4, over that at 1.
    assert file.worth[1:5] == pytest.approx(
        [1.0, 0.9669890878, 0.8597925669, 0.5621241486], abs=1e-9
    )
    assert file.window.tolist() == [OUTSIDE, 0, 0, 0, 0, OUTSIDE]


def test_label_rows_behind_a_window_cost_more_the_further_they_are() -> None:
    file = label(14, [(1, 4)])
    # Less tanh(2.5 p) at p = 1/3, 2/3, 1 of the window's length less one.
    assert file.worth[5:8] == pytest.approx([-0.6822617902, -0.9311096086, -0.9866142982], abs=1e-9)
    assert file.worth[13] == pytest.approx(-0.9999993882, abs=1e-9)  # at 3 windows, the last so
    assert label(15, [(1, 4)]).worth[14] == -1.0


def test_label_rows_before_any_window_cost_all() -> None:
    assert label(5, [(3, 4)]).worth[:3].tolist() == [-1.0, -1.0, -1.0]


def test_label_probation_rows_do_not_count() -> None:
    assert label(20, []).counts.tolist() == [False] * 3 + [True] * 17


def test_optimum_earliest_detection_of_a_window_is_the_one_that_scores() -> None:
    file = counted(6, [(1, 4)])
    score = np.array([0.0, 0.0, 0.9, 0.9, 0.9, 0.0])
    found = optimum(file, score, STANDARD)
    assert found.points == pytest.approx(0.9669890878, abs=1e-9)
    assert found.threshold == 0.9


def test_optimum_lower_threshold_pays_when_the_next_window_outweighs_a_false_alarm() -> None:
    file = counted(10, [(1, 2), (7, 8)])
    score = np.array([0.8, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.7, 0.0, 0.0])
    # Both windows in their first rows, less one false alarm before any window.
    assert optimum(file, score, STANDARD).points == pytest.approx(2.0 - 0.11)
    assert optimum(file, score, LOW_FP).points == pytest.approx(2.0 - 0.22)
    assert optimum(file, score, STANDARD).threshold == 0.7


def test_optimum_rows_of_equal_score_are_detected_together() -> None:
    file = counted(4, [(3, 3)])
    score = np.array([0.5, 0.5, 0.5, 0.5])
    assert optimum(file, score, STANDARD).points == pytest.approx(1.0 - 3 * 0.11)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(20))
def test_optimum_random_scores_is_the_best_of_all_thresholds_tried_one_by_one(
    seed: int, profile: Profile
) -> None:
    rng = np.random.default_rng(seed)
    file = joined([label(60, [(5, 11), (30, 33), (40, 40)]), label(40, [(20, 29)])])
    score = rng.integers(0, 12, 100) + 6.0 * (file.window >= 0) * rng.random(100)
    score[rng.random(100) < 0.1] = np.nan
    tried = [points_at(file, score, threshold, profile) for threshold in [*score, np.inf]]
    assert optimum(file, score, profile).points == pytest.approx(max(tried))


def points_at(
    file: Labelled, score: NDArray[np.float64], threshold: float, profile: Profile
) -> float:
    """The rules, row by row; a threshold of NaN detects nothing."""
    points = 0.0
    best: dict[int, float] = {}
    for row in np.flatnonzero(file.counts).tolist():
        window, worth = int(file.window[row]), float(file.worth[row])
        best.setdefault(window, -profile.missed)
        if score[row] >= threshold and window == OUTSIDE:
            points += profile.false_alarm * worth
        elif score[row] >= threshold:
            best[window] = max(best[window], profile.found * worth)
    best.pop(OUTSIDE, None)
    return points + sum(best.values())


def test_optimum_only_false_alarms_detects_nothing() -> None:
    file = counted(40, [(38, 39)])
    score = np.where(np.arange(40) < 38, 0.9, 0.1)
    found = optimum(file, score, LOW_FN)
    assert found.points == -2.0
    assert found.threshold == np.inf


def test_optimum_rows_without_a_score_are_no_detections() -> None:
    file = counted(4, [(1, 2)])
    assert optimum(file, np.full(4, np.nan), STANDARD).points == -1.0


def test_optimum_no_windows_and_no_scores_is_zero() -> None:
    assert optimum(counted(4, []), np.full(4, np.nan), STANDARD).points == 0.0


def test_normalised_perfect_scores_give_100_and_constant_ones_0() -> None:
    file = counted(60, [(20, 24), (50, 54)])
    perfect = np.zeros(60)
    perfect[[20, 50]] = 1.0
    for profile in PROFILES:
        assert normalised(file, perfect, profile) == pytest.approx(100.0)
        assert normalised(file, np.full(60, 0.5), profile) == 0.0


def test_joined_files_keep_their_windows_apart() -> None:
    both = joined([counted(3, [(1, 1)]), counted(3, [(0, 1)])])
    assert both.window.tolist() == [OUTSIDE, 0, OUTSIDE, 1, 1, OUTSIDE]
    assert both.windows == 2
    assert optimum(both, np.array([0, 1, 0, 1, 0, 0.0]), STANDARD).points == pytest.approx(2.0)
