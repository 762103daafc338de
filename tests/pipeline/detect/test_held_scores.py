from __future__ import annotations

import numpy as np

from pipeline.detect.held_scores import HeldScores
from pipeline.detect.protocol import Scores
from pipeline.durations import SECOND

NAN = float("nan")


def scores(score: list[float]) -> Scores:
    numbers = np.arange(len(score))
    return Scores(
        score=np.array(score),
        direction=np.ones(len(score), dtype=np.int8),
        move_bp=10.0 * np.array(score),
        horizon_steps=numbers + 100,
        samples=numbers + 200,
        window_steps=numbers + 300,
    )


def fill(
    held: HeldScores, score: list[float], level: list[int], first: int = 1, symbol: int = 0
) -> Scores:
    index = np.full(len(score), symbol, dtype=np.int32)
    end_us = (np.arange(len(score)) + first) * SECOND
    return held.fill(index, end_us, np.array(level), scores(score))


def test_score_of_a_sample_goes_on_until_the_next_one() -> None:
    held = HeldScores(2, every_us=SECOND)
    found = fill(held, [NAN, 2.0, NAN, 4.0, NAN], [1] * 5)
    np.testing.assert_array_equal(found.score, [NAN, 2.0, 2.0, 4.0, 4.0])
    assert found.move_bp[1:].tolist() == [20.0, 20.0, 40.0, 40.0]
    assert found.horizon_steps.tolist() == [100, 101, 101, 103, 103]
    assert found.samples.tolist() == [200, 201, 201, 203, 203]
    assert found.window_steps.tolist() == [300, 301, 301, 303, 303]
    # And on into the next rows; another symbol has its own.
    np.testing.assert_array_equal(fill(held, [NAN, NAN], [1, 1], first=7).score, [4.0, NAN])
    np.testing.assert_array_equal(fill(held, [NAN], [1], first=7, symbol=1).score, [NAN])


def test_sample_without_a_score_ends_the_one_before() -> None:
    held = HeldScores(1, every_us=SECOND)
    found = fill(held, [2.0, NAN, NAN], [1, 1, 1], first=2)
    assert found.score[0] == found.score[1] == 2.0
    assert np.isnan(found.score[2])


def test_score_of_one_grid_does_not_go_on_on_another() -> None:
    held = HeldScores(1, every_us=SECOND)
    found = fill(held, [4.0, NAN, NAN, 8.0], [2, 2, 1, 1], first=4)
    np.testing.assert_array_equal(found.score, [4.0, 4.0, NAN, NAN])
    fill(held, [3.0], [0], first=8)
    np.testing.assert_array_equal(fill(held, [NAN], [2], first=9).score, [NAN])


def test_score_of_an_unstretched_symbol_stays_as_it_is() -> None:
    held = HeldScores(1, every_us=SECOND)
    np.testing.assert_array_equal(fill(held, [1.0, NAN, 3.0], [0] * 3).score, [1.0, NAN, 3.0])


def test_snapshot_of_equal_states_is_equal_however_they_came_about() -> None:
    one, other = (HeldScores(1, every_us=SECOND) for _ in range(2))
    fill(one, [4.0, NAN, 3.0], [2, 2, 0], first=4)
    fill(other, [3.0], [0])
    for key, held in one.snapshot(0).items():
        assert held.tobytes() == other.snapshot(0)[key].tobytes()
