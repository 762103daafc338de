from __future__ import annotations

import numpy as np
import pytest

from pipeline.durations import SECOND
from pipeline.evaluation.judged import Judged, threshold_at, threshold_for
from pipeline.evaluation.simulated import Path
from pipeline.schema import TRADES


def judged(jumps: list[int], scores: dict[int, float], days: float = 1.0) -> Judged:
    """A score a second, zero but where said; times in seconds."""
    jump_us = np.array(jumps, dtype=np.int64) * SECOND
    none = np.zeros(len(jumps), dtype=np.bool_)
    path = Path(TRADES.to_frame(), jump_us, jump_us, none, days)
    score = np.zeros(4000)
    for second, value in scores.items():
        score[second] = value
    return Judged(path, np.arange(4000) * SECOND, score)


def test_jump_has_the_highest_score_of_the_minute_after_it() -> None:
    one = judged([1000, 2000, 3000], {1000: 9.0, 1001: 4.0, 1060: 5.0, 1061: 9.0, 2005: np.nan})
    assert one.jump_scores().tolist() == [5.0, 0.0, 0.0]


def test_delay_is_from_the_jump_to_the_first_score_in_time() -> None:
    one = judged([1000, 2000], {1000: 9.0, 1003: 5.0, 1004: 9.0, 2061: 9.0})
    assert one.delays_s(5.0)[0] == 3.0
    assert one.delays_s(9.0)[0] == 4.0
    assert np.isnan(one.delays_s(5.0)[1])


def test_alarms_within_a_minute_are_one_and_those_after_a_jump_are_excused() -> None:
    seconds = (100, 160, 221, 1000, 1001, 1120, 1182)
    one = judged([1000], dict.fromkeys(seconds, 7.0))
    # 100 with 160; 221; 1000 with 1001, at the jump itself and so not after it; 1120 in time; 1182.
    assert one.false_alarms(7.0) == 3
    assert one.false_alarms(7.1) == 0
    assert judged([], {100: 7.0}).false_alarms(7.0) == 1


def test_threshold_finds_the_share_of_jumps_asked_for_and_no_more() -> None:
    one = judged([100, 600, 1100, 1600], {101: 8.0, 601: 4.0, 1101: 6.0})
    assert threshold_at([one], 0.5) == 6.0
    assert threshold_at([one], 0.75) == 4.0
    assert threshold_at([one, judged([100], {101: 7.0})], 0.4) == 7.0


def test_threshold_for_a_rate_is_just_above_the_scores_that_would_be_too_many() -> None:
    one = judged([], {100: 3.0, 500: 5.0, 900: 7.0}, days=2.0)
    assert threshold_for([one], 1.0) == pytest.approx(3.0, rel=2e-3)
    assert threshold_for([one], 1.0) > 3.0
    assert threshold_for([one], 0.5) == pytest.approx(5.0, rel=2e-3)
