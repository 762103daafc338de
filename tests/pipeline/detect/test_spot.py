from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.detect.config import EpisodesConfig
from pipeline.detect.protocol import Scores
from pipeline.detect.spot import Spot
from pipeline.detect.spot_loop import BIN_RATIO, BINS, tail_of
from pipeline.durations import MINUTE, SECOND

FIXED = [6.0, 8.0, 12.0]
DAY = 1440  # rows
NAN = float("nan")

#: Episodes a day, thirty days, thirty days.
BUDGET = {"minor": "0.5/d", "major": "3/30d", "critical": "1/30d"}


def rules(**other: object) -> EpisodesConfig:
    return EpisodesConfig.model_validate({"budget": BUDGET, **other})


def push(
    spot: Spot,
    score: NDArray[np.float64],
    first: int = 0,
    move_bp: float = 20.0,
    every_us: int = MINUTE,
) -> NDArray[np.float64]:
    """Push scores, one a minute; return the thresholds in force."""
    count = len(score)
    numbers = np.zeros(count, dtype=np.int64)
    sign = np.ones(count, dtype=np.int8)
    moves = np.full(count, move_bp)
    end_us = (first + np.arange(count) + 1) * every_us
    index = np.zeros(count, dtype=np.int32)
    return spot.push(index, end_us, Scores(score, sign, moves, numbers, numbers, numbers))


def spot(config: EpisodesConfig | None = None) -> Spot:
    return Spot([rules() if config is None else config], every_us=MINUTE)


def stream(
    days: int, seed: int, *, shape: float = 0.5, per_day: float = 15.0
) -> NDArray[np.float64]:
    """Scores of 1 with peaks now and then, above 3 by a Pareto variable of that shape, scale 1."""
    random = np.random.default_rng(seed)
    score = np.ones(days * DAY)
    peaks = np.flatnonzero(random.random(len(score)) < per_day / DAY)
    score[peaks] = 3.0 + (random.random(len(peaks)) ** -shape - 1.0) / shape
    return score


def spaced(days: int, peaks: list[float], apart: int = 10) -> NDArray[np.float64]:
    """Scores of 1 with peaks so many minutes apart, from the first minute on."""
    score = np.ones(days * DAY)
    score[: apart * len(peaks) : apart] = peaks
    return score


def test_tail_of_a_few_peaks_has_the_weighted_moments_of_the_sample() -> None:
    # Worked out one peak by one: mean .370015, weighted .0503159, own shape .626436 of 30 peaks.
    counts = np.zeros(BINS)
    counts[[0, 5, 20, 60]] = 12, 9, 6, 3
    level, above, scale, shape = tail_of(counts, 100.0)
    assert (level, above) == (1.0, 30.0)
    assert shape == pytest.approx(0.5114941596089584, rel=1e-12)
    assert scale == pytest.approx(0.18075439622388412, rel=1e-12)


@pytest.mark.parametrize("shape", [0.1, 0.35])
def test_tail_of_many_peaks_is_that_they_were_drawn_from(shape: float) -> None:
    edges = BIN_RATIO ** np.arange(BINS + 1)
    beyond = (1.0 + shape * (edges - 1.0) / 0.4) ** (-1.0 / shape)
    counts = 1e6 * (beyond[:-1] - beyond[1:])
    level, above, scale, found = tail_of(counts, 1e5)
    # A tenth is above the level, to a bin; there the scale is larger by shape * excess.
    expected = 1.0 + 0.4 * (10.0**shape - 1.0) / shape
    assert expected / BIN_RATIO**2 <= level <= expected
    assert above >= 1e5
    assert found == pytest.approx(shape, abs=0.02)
    assert scale == pytest.approx(0.4 + shape * (level - 1.0), rel=0.03)


def test_tail_of_peaks_that_are_all_alike_is_finite() -> None:
    counts = np.zeros(BINS)
    counts[-1] = 40.0
    level, above, scale, shape = tail_of(counts, 30.0)
    assert (level, above) == (pytest.approx(1.02**255), 40.0)
    assert 0.0 < scale < 0.02 * level
    assert -0.5 <= shape < 0.5


def test_thresholds_are_those_the_tail_exceeds_as_often_as_the_budgets_say() -> None:
    # The thirty peaks of the tail worked out above, in gates of 3, all on the first of three days.
    peaks = [3.0 * 1.02 ** (at + 0.5) for at in [0] * 12 + [5] * 9 + [20] * 6 + [60] * 3]
    often = rules(budget={**BUDGET, "minor": "2/d"})  # of the tail are all: fewer than 16 a minor
    in_force = push(spot(often), spaced(4, peaks))
    assert (in_force == FIXED).all()  # two days later they count as 28.6: too few
    in_force = push(spot(often), spaced(4, peaks * 2))
    above = 60.0 * 0.5 ** (2 / 30)
    days = 1.0 + 0.5 ** (1 / 30) + 0.5 ** (2 / 30)
    shape = (above * 0.6264357556985425 + 300.0 * 0.5) / (above + 300.0)
    scale = 0.37001481103929673 * (1.0 - shape)
    expected = [
        3.0 * (1.0 + scale * ((above / (rate * days)) ** shape - 1.0) / shape)
        for rate in (2.0, 0.1, 1 / (10.0 * days))  # once in 30 days is rarer than they support
    ]
    assert in_force[-1] == pytest.approx(expected, rel=1e-6)
    assert (in_force[: 3 * DAY + 1] == FIXED).all()
    assert (in_force[3 * DAY + 1 :] == in_force[-1]).all()


@pytest.mark.parametrize(
    ("minor", "high", "is_enough"),
    [
        ("1/d", 47, True),  # 16 times one a day in 1 + 2^(-1/30) + 2^(-2/30) days: 46.9
        ("1/d", 46, False),
        ("0.2/d", 30, True),  # 16 times it are fewer
        ("0.2/d", 29, False),
    ],
)
def test_peaks_below_the_tail_change_nothing_where_enough_are_above(
    minor: str, high: int, *, is_enough: bool
) -> None:
    config = rules(budget={**BUDGET, "minor": minor})
    found = []
    for low in (3.5, 4.0):
        score = np.ones(4 * DAY)
        score[2 * DAY + 60 :][: 4 * (60 + high) : 4] = [low] * 60 + [7.0] * high
        found.append(push(spot(config), score)[-1].tolist())
    assert FIXED not in found
    assert (found[0] == found[1]) is is_enough


def test_tail_that_has_no_shape_is_exponential() -> None:
    # Own shape -.5 of 300 peaks all alike, and .5 of the usual 300: none. All on the third day.
    score = np.ones(4 * DAY)
    score[2 * DAY + 60 : 2 * DAY + 60 + 4 * 300 : 4] = 5.0
    minor = push(spot(), score)[-1][0]
    days = 1.0 + 0.5 ** (1 / 30) + 0.5 ** (2 / 30)
    level, middle = 3.0 * 1.02**25, 3.0 * 1.02**25.5
    expected = level + (middle - level) * np.log(300.0 / (0.5 * days))
    assert minor == pytest.approx(expected, rel=1e-9)


def test_threshold_of_a_rate_that_no_score_reaches_is_the_exit() -> None:
    often = rules(budget={**BUDGET, "minor": "1000/h"}, exit=2.5, enter=4.0)
    assert push(spot(often), spaced(4, [5.0] * 60))[-1][0] == 2.5


@pytest.mark.parametrize("shape", [0.35, 0.5])
def test_budgets_of_a_stream_with_a_heavy_tail_are_kept(shape: float) -> None:
    times = []
    for seed in range(6):
        score = stream(100, seed, shape=shape)
        in_force = push(spot(), score)
        late = slice(30 * DAY, None)
        counts = (score[late, None] >= in_force[late]).sum(axis=0)
        times.append(counts / 70.0 / [0.5, 0.1, 1 / 30])
    mean = np.mean(times, axis=0)
    assert (mean > 0.5).all()
    assert (mean < 2.0).all()


def test_budget_of_another_symbol_or_of_none_changes_nothing() -> None:
    both = Spot([rules(), rules(budget=None)], every_us=MINUTE)
    score = stream(5, 1)
    index = np.repeat(np.array([0, 1], dtype=np.int32), len(score))
    rows = np.zeros(2 * len(score), dtype=np.int64)
    end_us = np.tile((np.arange(len(score)) + 1) * MINUTE, 2)
    told = Scores(np.tile(score, 2), rows.astype(np.int8), rows + 20.0, rows, rows, rows)
    in_force = both.push(index, end_us, told)
    assert (in_force[: len(score)] == push(spot(), score)).all()
    assert in_force[len(score) - 1].tolist() != FIXED
    assert (in_force[len(score) :] == FIXED).all()


def test_peaks_no_further_apart_than_hold_and_cool_down_are_one() -> None:
    config = rules(hold="5m", cool_down="5m")
    together = push(spot(config), spaced(4, [5.0] * 60, apart=10))
    assert together[-1].tolist() == FIXED
    apart = push(spot(config), spaced(4, [5.0] * 60, apart=11))
    assert apart[-1].tolist() != FIXED


def test_peak_of_a_cluster_is_its_highest_score_wherever_it_is_in_it() -> None:
    single = spaced(4, [5.0] * 60)
    wide = single.copy()
    wide[1:601:10] = 4.0
    assert push(spot(), wide)[-1].tolist() == push(spot(), single)[-1].tolist() != FIXED


def test_peaks_of_just_the_exit_count() -> None:
    assert push(spot(), spaced(4, [3.0] * 60))[-1].tolist() != FIXED


def test_peaks_of_moves_that_start_no_episode_do_not_count() -> None:
    assert push(spot(), spaced(4, [5.0] * 60), move_bp=4.9)[-1].tolist() == FIXED
    assert push(spot(), spaced(4, [5.0] * 60), move_bp=-5.0)[-1].tolist() != FIXED


def test_days_without_a_score_are_not_judged_days() -> None:
    score = stream(3, 1)
    idle = np.full(10 * DAY, NAN)
    in_force = push(spot(), np.concatenate([score, idle, np.ones(2)]))
    assert (in_force[:-1] == FIXED).all()  # the first row stands for no time
    assert in_force[-1].tolist() == push(spot(), np.append(score, [1.0, 1.0]))[-1].tolist()


def test_rates_rarer_than_the_history_supports_are_taken_as_ten_times_its_length() -> None:
    rare = rules(budget={**BUDGET, "critical": "1/365d"})
    thresholds = push(spot(rare), stream(5, 1))
    third, fourth = thresholds[3 * DAY + 1], thresholds[4 * DAY + 1]
    usual = push(spot(), stream(5, 1))
    # Three days support once in 29.3 days, not once in 365: a little less than once in 30.
    assert third[2] == pytest.approx(usual[3 * DAY + 1][2], rel=0.02)
    assert third[2] <= usual[3 * DAY + 1][2]
    assert fourth[2] > usual[4 * DAY + 1][2]


def test_cluster_under_way_does_not_move_thresholds() -> None:
    score = stream(4, 2)
    storm = score.copy()
    storm[3 * DAY - 60 : 3 * DAY + 60] = 500.0
    calm, high = push(spot(), score), push(spot(), storm)
    assert calm[3 * DAY + 1].tolist() != FIXED
    during = slice(None, 3 * DAY + 60)
    counted = score[3 * DAY - 60 : 3 * DAY + 1].max() < 3.0  # else one peak is missing
    assert counted
    assert (high[during] == calm[during]).all()


def test_storm_does_not_blind_for_ever() -> None:
    calm = stream(30, 3, shape=0.35)
    storm = np.ones(DAY)
    storm[::10] = 60.0
    after = stream(150, 4, shape=0.35)
    whole = spot()
    before = push(whole, calm)[-1]
    blind = push(whole, storm, first=30 * DAY)[-1]
    found = push(whole, after, first=31 * DAY)
    assert push(whole, np.ones(1), first=181 * DAY)[0] == pytest.approx(before, rel=0.5)
    assert found[1][0] > 60.0 > blind[0]
    assert found[45 * DAY][0] < 0.75 * found[1][0]
    assert found[-1][0] < 1.2 * before[0]


def test_scores_beyond_all_bins_are_counted_in_the_last() -> None:
    assert np.isfinite(push(spot(), spaced(4, [1e9] * 60))[-1]).all()


@pytest.mark.parametrize(
    ("every_s", "gaps", "is_in_time"),
    [
        (20, 12_960, True),
        (20, 12_959, False),
        (59, 4_394, True),  # what is left of a day is of the next: 4393.2 gaps are three days
        (59, 4_393, False),
        (90, 4_320, True),  # a minute each
        (90, 4_319, False),
    ],
)
def test_trade_that_is_a_sample_stands_for_the_time_before_it_but_no_more_than_a_minute(
    every_s: int, gaps: int, *, is_in_time: bool
) -> None:
    score = np.ones(gaps + 1)
    score[:600:10] = 5.0
    trades = Spot([rules()], every_us=None)
    push(trades, score, every_us=every_s * SECOND)
    assert (trades.in_force[0].tolist() != FIXED) is is_in_time


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 6 * DAY), max_size=4),
    is_restored=st.booleans(),
)
def test_thresholds_are_the_same_however_rows_are_cut_and_wherever_restored(
    seed: int, cuts: list[int], *, is_restored: bool
) -> None:
    score = stream(6, seed)
    score[seed % len(score) :][:400] = NAN
    whole = push(spot(), score)
    held = spot()
    for first, last in itertools.pairwise([0, *sorted(cuts), len(score)]):
        assert push(held, score[first:last], first).tobytes() == whole[first:last].tobytes()
        if is_restored:
            before, held = held.snapshot(0), spot()
            held.restore(0, before)
            again = held.snapshot(0)
            assert all(one.tobytes() == again[name].tobytes() for name, one in before.items())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 6 * DAY), is_restored=st.booleans())
def test_budget_that_changes_gives_the_thresholds_it_had_given_from_the_start(
    seed: int, cut: int, *, is_restored: bool
) -> None:
    score = stream(6, seed)
    other = rules(budget={"minor": "2/d", "major": "1/d", "critical": "1/10d"})
    expected = push(spot(other), score)
    made = spot()
    push(made, score[:cut])
    if is_restored:
        known, made = made.snapshot(0), spot(other)
        made.restore(0, known)
    else:
        made.retune([other])
    if cut < len(score):
        assert made.in_force[0].tobytes() == expected[cut].tobytes()
    assert push(made, score[cut:], first=cut).tobytes() == expected[cut:].tobytes()


def test_rules_of_another_symbol_that_change_move_no_threshold_within_a_day() -> None:
    score = stream(10, 7)[: 9 * DAY + 700]
    made = Spot([rules(), rules()], every_us=MINUTE)
    before = push(made, score)[-1]
    assert before.tolist() != FIXED
    made.retune([rules(), rules(enter=7.0, budget=None)])
    assert made.in_force[0].tobytes() == before.tobytes()
    assert made.in_force[1].tolist() == [7.0, 8.0, 12.0]


def test_symbol_whose_budget_was_taken_away_has_the_fixed_scores() -> None:
    made = spot()
    push(made, stream(10, 7))
    known = made.snapshot(0)
    made.retune([rules(budget=None, enter=7.0)])
    assert made.in_force[0].tolist() == [7.0, 8.0, 12.0]
    made.restore(0, known)
    assert made.in_force[0].tolist() == [7.0, 8.0, 12.0]
    push(made, stream(10, 7), first=10 * DAY)
    assert made.in_force[0].tolist() == [7.0, 8.0, 12.0]


def test_peaks_that_were_counted_from_another_score_do_not_serve_other_rules() -> None:
    made = spot()
    push(made, stream(10, 7))
    known = made.snapshot(0)
    nothing = spot(rules(exit=2.0)).snapshot(0)
    made.retune([rules(exit=2.0)])
    for _ in range(2):
        assert made.in_force[0].tolist() == FIXED
        assert all((made.snapshot(0)[name] == held).all() for name, held in nothing.items())
        made.restore(0, known)


def test_infinite_scores_are_counted_in_the_last_bin_of_their_own_symbol() -> None:
    both = Spot([rules(), rules()], every_us=MINUTE)
    push(both, spaced(4, [np.inf] * 60))
    counts = both.snapshot(0)["counts"]
    assert counts[-1] == pytest.approx(60.0 * 0.5 ** (3 / 30))
    assert not counts[:-1].any()
    assert not both.snapshot(1)["counts"].any()
    assert np.isfinite(both.in_force).all()
