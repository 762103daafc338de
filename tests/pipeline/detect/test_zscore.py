from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.detect.protocol import Scores
from pipeline.detect.zscore import ZScore
from pipeline.windows import Windows

# The golden returns of the project's mathematics page, and the score of 0.006 after them.
GOLDEN = [0.001, -0.002, 0.0015, 0.0005, -0.001, 0.003, -0.0025, 0.0, 0.0007, -0.0012]


def score(
    close: NDArray[np.float64], window: int = 10, complete: NDArray[np.bool_] | None = None
) -> Scores:
    detector = ZScore([window])
    index = np.zeros(len(close), dtype=np.int32)
    whole = np.ones(len(close), dtype=bool) if complete is None else complete
    columns = Windows(detector.windows(), []).push(index, close, whole)
    return detector.score(index, columns, 0)


def closes(returns: list[float]) -> NDArray[np.float64]:
    return 100.0 * np.exp(np.cumsum([0.0, *returns]))


def test_zscore_of_the_golden_return_excludes_the_tested_return() -> None:
    scores = score(closes([*GOLDEN, 0.006]))
    assert scores.score[-1] == pytest.approx(3.552017, abs=1e-6)
    assert scores.direction[-1] == 1
    assert scores.move_bp[-1] == pytest.approx(60.0)
    assert (scores.samples[-1], scores.window_steps[-1], scores.horizon_steps[-1]) == (10, 10, 1)


def test_zscore_of_a_fall_is_positive_with_a_negative_direction() -> None:
    scores = score(closes([*GOLDEN, -0.006]))
    assert scores.score[-1] > 3
    assert scores.direction[-1] == -1


def test_zscore_is_unknown_until_the_window_before_it_is_full() -> None:
    scores = score(closes([*GOLDEN, *GOLDEN]))
    assert np.isnan(scores.score[:10]).all()
    assert not np.isnan(scores.score[11:]).any()


def test_zscore_of_a_window_with_an_incomplete_bar_is_unknown() -> None:
    complete = np.ones(21, dtype=bool)
    complete[5] = False
    scores = score(closes([*GOLDEN, *GOLDEN]), complete=complete)
    assert np.isnan(scores.score[10:16]).all()
    assert not np.isnan(scores.score[16:]).any()


def test_zscore_of_an_incomplete_bar_is_unknown() -> None:
    complete = np.ones(21, dtype=bool)
    complete[15] = False
    scores = score(closes([*GOLDEN, *GOLDEN]), complete=complete)
    assert np.isnan(scores.score[11:]).tolist() == [False] * 4 + [True] * 6


def test_zscore_after_flat_prices_is_unknown_for_there_is_no_scale() -> None:
    scores = score(np.array([*np.full(15, 100.0), 101.0]))
    assert np.isnan(scores.score).all()


def test_zscore_after_a_constant_return_is_unknown_for_there_is_no_scale() -> None:
    scores = score(closes([*np.full(30, 1e-4), 0.01]))
    assert np.isnan(scores.score).all()


def test_zscore_needs_half_of_its_window_valid() -> None:
    close = closes([*GOLDEN, *GOLDEN])
    close[[3, 5]] = np.nan  # four returns are missing
    assert not np.isnan(score(close).score[12])
    close[7] = np.nan  # six
    assert np.isnan(score(close).score[12])


def test_zscore_of_a_missing_return_is_unknown() -> None:
    close = closes([*GOLDEN, 0.006])
    close[-1] = np.nan
    scores = score(close)
    assert np.isnan(scores.score[-1])
    assert scores.direction[-1] == 0
