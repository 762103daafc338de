"""What thresholds follow from a budget of alarms and the scores that were."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.detect.config import EpisodesConfig
from pipeline.detect.protocol import Scores
from pipeline.detect.thresholds import BUCKET_US, Thresholds
from pipeline.durations import DAY, MINUTE

#: Rows of six hours, after which thresholds are set anew.
BUCKET = BUCKET_US // MINUTE
RULES = {"hold": "5m", "cool_down": "5m", "min_move_bp": 5.0}
WRITTEN = [6.0, 8.0, 12.0]


def config(**budget: str) -> EpisodesConfig:
    rates = {"minor": "2/d", "major": "1/d", "critical": "1/2d", **budget}
    return EpisodesConfig.model_validate({**RULES, "budget": rates})


def thresholds(*configs: EpisodesConfig) -> Thresholds:
    return Thresholds(configs or [config()], every_us=MINUTE)


def push(
    made: Thresholds,
    score: NDArray[np.float64],
    *,
    first: int = 0,
    move_bp: float = 20.0,
    index: NDArray[np.int32] | None = None,
) -> NDArray[np.float64]:
    """Push a row a minute, from row `first` on, and return what was in force at each."""
    rows = len(score)
    whole = np.zeros(rows, dtype=np.int64)
    end_us = (first + 1 + np.arange(rows)) * MINUTE
    scores = Scores(score, whole.astype(np.int8), np.full(rows, move_bp), whole, whole, whole)
    return made.push(np.zeros(rows, dtype=np.int32) if index is None else index, end_us, scores)


def with_peaks(peaks: list[float], rows: int = BUCKET) -> NDArray[np.float64]:
    """Scores of 1 with peaks among them, a quarter of an hour apart."""
    score = np.ones(rows)
    score[10 + 15 * np.arange(len(peaks))] = peaks
    return score


def pareto_threshold(peaks: list[float], level: float, expected: float) -> float:
    """What is exceeded `expected` times, by moments as Hosking and Wallis define them."""
    excess = sorted(Fraction(peak) - Fraction(level) for peak in peaks)
    n = len(excess)
    alpha_0 = sum(excess, Fraction(0)) / n
    weighted = (
        (1 - (Fraction(at) - Fraction(35, 100)) / n) * one for at, one in enumerate(excess, 1)
    )
    alpha_1 = sum(weighted, Fraction(0)) / n
    shape = -float(alpha_0 / (alpha_0 - 2 * alpha_1) - 2)
    scale = float(2 * alpha_0 * alpha_1 / (alpha_0 - 2 * alpha_1))
    assert 0.3 < shape < 0.8
    return level + scale / shape * ((n / expected) ** shape - 1)


def half_day(peaks: list[float]) -> NDArray[np.float64]:
    """Peaks in two times six hours, of each of which 16 are kept."""
    return np.concatenate([with_peaks(peaks[::2]), with_peaks(peaks[1::2])])


#: Twenty above 3, the exit score.
PEAKS = [3 + 6 / rank for rank in range(1, 21)]
HALF_DAY = half_day(PEAKS)


def test_thresholds_follow_the_pareto_law_of_the_peaks() -> None:
    made = thresholds(config(minor="4/d", major="1/d", critical="1/2d"))
    peaks = [3 + 6 / rank**1.8 for rank in range(1, 21)]
    in_force = push(made, half_day(peaks))
    assert in_force[:, -1].tolist() == WRITTEN  # the last row of the six hours is judged by them
    expected = [pareto_threshold(peaks, 3.0, rate / 2) for rate in (4.0, 1.0, 0.5)]
    assert made.in_force[0].tolist() == pytest.approx(expected, rel=1e-12)
    assert expected == sorted(expected)


@pytest.mark.parametrize(("power", "shape"), [(0.5, 0.3), (6.0, 0.8)])
def test_shape_of_the_law_is_kept_within_bounds(power: float, shape: float) -> None:
    made = thresholds(config(minor="4/d", major="1/d", critical="1/2d"))
    excesses = [6 / rank**power for rank in range(1, 21)]
    push(made, half_day([3 + excess for excess in excesses]))
    scale = sum(excesses) / 20 * (1 - shape)  # the mean is scale / (1 - shape)
    expected = [3 + scale / shape * ((20 / often) ** shape - 1) for often in (2.0, 0.5, 0.25)]
    assert made.in_force[0].tolist() == pytest.approx(expected, rel=1e-9)


def test_peaks_that_are_all_the_same_are_the_threshold() -> None:
    made = thresholds()
    push(made, np.tile(with_peaks([5.0] * 15), 10))
    assert made.in_force[0].tolist() == [5.0] * 3


def test_rate_that_peaks_show_often_is_read_from_them() -> None:
    # A hundred peaks are fitted, or all there are: of 150 in 2.5 days 120 are expected.
    made = thresholds(config(minor="48/d", major="1/d", critical="1/2d"))
    peaks = [4.0 + at / 100 for at in range(15)]
    push(made, np.tile(with_peaks(peaks), 10))
    # Ten each of 4.14, 4.13, ...: the twelfth highest is that with 120 as high or higher.
    assert made.in_force[0, 0] == 4.03


def test_rate_beyond_all_peaks_is_the_score_above_which_they_are_known() -> None:
    made = thresholds(config(minor="100/d", major="1/d", critical="1/2d"))
    push(made, HALF_DAY)
    assert made.in_force[0, 0] == 3.0


def test_peaks_that_may_be_missing_count_from_the_least_that_is_kept() -> None:
    # Of 20 in six hours 16 are kept; of all those above the least of these 40 are expected.
    made = thresholds(config(minor="80/d", major="1/d", critical="1/2d"))
    push(made, np.concatenate([with_peaks(PEAKS), with_peaks(PEAKS)]))
    assert made.in_force[0, 0] == PEAKS[15]


def test_thresholds_stay_as_written_while_peaks_are_few() -> None:
    made = thresholds()
    in_force = push(made, np.tile(with_peaks(PEAKS[:4]), 4))
    assert (in_force == np.array([WRITTEN]).T).all()
    in_force = push(made, np.tile(with_peaks(PEAKS[:4]), 2), first=4 * BUCKET)
    assert (in_force[:, :BUCKET] == np.array([WRITTEN]).T).all()
    assert not (in_force[:, BUCKET:] == np.array([WRITTEN]).T).any()


def test_rate_too_rare_for_what_was_watched_stays_as_written() -> None:
    made = thresholds(config(minor="4/d", major="2/d", critical="1/10d"))
    push(made, HALF_DAY)  # a twentieth of one is expected
    assert made.in_force[0, 2] == 12.0
    push(made, HALF_DAY, first=2 * BUCKET)  # now a tenth
    assert made.in_force[0, 2] > 13.0


def test_threshold_of_a_severity_is_never_below_that_of_a_lesser_one() -> None:
    made = thresholds(config(minor="1/d", major="1/20d", critical="1/30d"))
    push(made, half_day([10 * peak for peak in PEAKS]))
    assert made.in_force[0, 0] > 12.0
    assert len(set(made.in_force[0].tolist())) == 1


def test_scores_that_are_not_known_are_no_time_that_was_watched() -> None:
    made = thresholds()
    unknown = HALF_DAY.copy()
    unknown[0] = np.nan
    push(made, unknown)
    assert made.in_force[0].tolist() == WRITTEN
    push(made, np.ones(1), first=2 * BUCKET)
    assert made.in_force[0].tolist() != WRITTEN


@pytest.mark.parametrize(("minutes", "learnt"), [(11, False), (12, True)])
def test_run_of_high_scores_has_one_peak(minutes: int, learnt: bool) -> None:  # noqa: FBT001 - a table
    # Low for a minute less between: hold and cool-down together are ten.
    score = np.ones(2 * BUCKET)
    score[10 + minutes * np.arange(10)] = PEAKS[:10]
    score[BUCKET + 10 + minutes * np.arange(10)] = PEAKS[10:]
    made = thresholds()
    push(made, score)
    assert (made.in_force[0].tolist() != WRITTEN) is learnt


def test_small_moves_are_no_peaks() -> None:
    made = thresholds()
    push(made, HALF_DAY, move_bp=-4.9)
    assert made.in_force[0].tolist() == WRITTEN
    push(made, HALF_DAY, first=2 * BUCKET, move_bp=-5.0)
    assert made.in_force[0].tolist() != WRITTEN


def test_storm_is_forgotten_after_sixty_days() -> None:
    calm, stormy = thresholds(), thresholds()
    usual, storm = with_peaks(PEAKS[10:]), with_peaks([5 * peak for peak in PEAKS[10:]])
    for made, first_day in ((calm, usual), (stormy, storm)):
        push(made, np.tile(first_day, 4))
        push(made, np.tile(usual, 4 * 58), first=4 * BUCKET)
    assert stormy.in_force[0, 1] > 1.5 * calm.in_force[0, 1]
    for made in (calm, stormy):
        push(made, np.tile(usual, 8), first=4 * 59 * BUCKET)
    assert stormy.in_force.tolist() == calm.in_force.tolist()


def test_thresholds_of_a_heavy_tailed_stream_keep_the_budget() -> None:
    random = np.random.default_rng(3)
    days = 300
    score = np.abs(random.standard_t(4, days * DAY // MINUTE))
    budget = {"minor": "1/d", "major": "1/5d", "critical": "1/15d"}
    in_force = push(thresholds(config(**budget)), score)
    half = len(score) // 2
    per_day = [float(np.mean(score[half:] >= limit[half:])) * 1440 for limit in in_force]
    assert per_day == pytest.approx([1.0, 1 / 5, 1 / 15], rel=0.5)


def test_symbol_without_a_budget_keeps_what_is_written() -> None:
    made = thresholds(EpisodesConfig.model_validate(RULES), config())
    score = np.repeat(HALF_DAY, 2)
    index = np.tile(np.array([0, 1], dtype=np.int32), 2 * BUCKET)
    rows = np.zeros(len(score), dtype=np.int64)
    ends = np.repeat(1 + np.arange(2 * BUCKET), 2) * MINUTE
    moves = np.full(len(score), 20.0)
    made.push(index, ends, Scores(score, rows.astype(np.int8), moves, rows, rows, rows))
    assert made.in_force[0].tolist() == WRITTEN
    assert made.in_force[1].tolist() != WRITTEN
    assert all(len(array) == 0 for array in made.snapshot(0).values())
    alone = thresholds(EpisodesConfig.model_validate(RULES))
    assert push(alone, HALF_DAY).tolist() == [[one] * 2 * BUCKET for one in WRITTEN]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 6 * BUCKET), max_size=4), st.booleans())
def test_thresholds_are_the_same_however_rows_are_cut_and_restored(
    seed: int,
    cuts: list[int],
    restored: bool,  # noqa: FBT001 - drawn
) -> None:
    random = np.random.default_rng(seed)
    score = np.abs(random.standard_t(2, 6 * BUCKET))
    score[random.random(len(score)) < 0.01] = np.nan
    whole = thresholds()
    expected = push(whole, score)
    assert len(np.unique(expected[0])) > 2
    made, found = thresholds(), []
    bounds = [0, *sorted(cuts), len(score)]
    for start, stop in pairwise(bounds):
        found.append(push(made, score[start:stop], first=start))
        if restored:
            held, made = made.snapshot(0), thresholds()
            made.restore(0, held)
    assert np.concatenate(found, axis=1).tobytes() == expected.tobytes()
    end, other = whole.snapshot(0), made.snapshot(0)
    assert {name: array.tobytes() for name, array in end.items()} == {
        name: array.tobytes() for name, array in other.items()
    }


def test_thresholds_before_a_row_do_not_depend_on_what_follows() -> None:
    random = np.random.default_rng(5)
    score = np.abs(random.standard_t(2, 4 * BUCKET))
    whole = push(thresholds(), score)
    louder = np.concatenate([score[: 3 * BUCKET], 10 * score[3 * BUCKET :]])
    other = push(thresholds(), louder)
    assert other[:, : 3 * BUCKET + 1].tobytes() == whole[:, : 3 * BUCKET + 1].tobytes()
    assert math.isclose(other[0, -1], whole[0, -1])  # nor those of the six hours under way


def test_other_rules_hold_at_once_and_what_was_learnt_serves_them() -> None:
    made = thresholds(config(), EpisodesConfig.model_validate(RULES))
    push(made, HALF_DAY)
    learnt = thresholds(config(minor="4/d", major="1/d", critical="1/3d"))
    push(learnt, HALF_DAY)
    quieter = EpisodesConfig.model_validate({**RULES, "enter": 7.0})
    made.retune([config(minor="4/d", major="1/d", critical="1/3d"), quieter])
    assert made.in_force[0].tolist() == learnt.in_force[0].tolist()
    assert made.in_force[1].tolist() == [7.0, 8.0, 12.0]
    made.retune([quieter, config()])
    assert made.in_force.tolist() == [[7.0, 8.0, 12.0], WRITTEN]
