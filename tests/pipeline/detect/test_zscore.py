from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.detect.protocol import Scores
from pipeline.detect.zscore import ZScore
from pipeline.windows import RollingSum, Windows
from tests.pipeline.window_oracles import GOLDEN, closes, samples


def score(
    close: NDArray[np.float64], window: int = 10, complete: NDArray[np.bool_] | None = None
) -> Scores:
    detector, given = ZScore([window]), samples(close)
    if complete is not None:
        given.complete[:] = complete
    # Its sums need not be the first ones.
    (sums,) = detector.sums()
    columns = Windows([[RollingSum("trades", 3), *sums]]).push(given)
    return detector.score(given, columns, 1)


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
    # The return into the bar and the one out of it: neither close can be relied on.
    assert np.isnan(scores.score[10:17]).all()
    assert not np.isnan(scores.score[17:]).any()


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


def test_zscore_excludes_the_tested_return_from_what_judges_it() -> None:
    calm, wild = (score(closes([*GOLDEN, last])).score[-1] for last in (0.006, 0.06))
    # Golden mean 0 and deviation 0.0016891812612426572.
    assert calm == pytest.approx(0.006 / 0.0016891812612426572, rel=1e-9)
    assert wild == pytest.approx(0.06 / 0.0016891812612426572, rel=1e-9)


def test_zscore_of_a_constant_return_with_noise_has_a_scale() -> None:
    noise = np.random.default_rng(1).normal(0.0, 1e-9, 60)
    scores = score(closes((1e-4 + noise).tolist()), window=30)
    assert (scores.score[32:] < 6.0).all()


def test_zscore_judges_each_symbol_by_a_window_of_its_own() -> None:
    close = closes([*GOLDEN, *GOLDEN, 0.006])
    detector = ZScore([10, 15])
    index = np.tile(np.array([0, 1], dtype=np.int32), len(close))
    given = samples(np.repeat(close, 2), symbol_index=index)
    scores = detector.score(given, Windows(detector.sums()).push(given), 0)
    for symbol, window in enumerate((10, 15)):
        alone = score(close, window)
        assert scores.score[symbol::2].tobytes() == alone.score.tobytes()
        assert set(scores.window_steps[symbol::2].tolist()) == {window}
