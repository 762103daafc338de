from __future__ import annotations

import numpy as np
import pytest

from pipeline.residuals import Residuals

NAN = np.nan


def test_residual_at_first_is_the_score_less_the_median() -> None:
    residuals = Residuals(3).push(np.array([[7.0, 6.0, -1.0]]), np.array([6.0]))
    assert residuals.tolist() == [[1.0, 0.0, -7.0]]


def test_residual_is_judged_by_the_slope_of_the_steps_before() -> None:
    residuals = Residuals(1).push(np.array([[20.0], [20.0]]), np.array([10.0, 10.0]))
    # After one step the slope is (100 + 20 * 10) / (100 + 10 * 10): a prior of 100 steps of 1.
    assert residuals.ravel().tolist() == [10.0, 20.0 - 1.5 * 10.0]


def test_slope_forgets_by_halves() -> None:
    state = Residuals(1)
    state.push(np.array([[20.0]]), np.array([10.0]))
    state.push(np.zeros((1800, 1)), np.zeros(1800))
    found = state.push(np.array([[0.0]]), np.array([-1.0]))
    # Half an hour later: (100 + 200 / 2) / (100 + 100 / 2).
    assert found.item() == pytest.approx(4 / 3, rel=1e-12)


def test_step_without_score_or_median_has_no_residual_and_teaches_nothing() -> None:
    state = Residuals(2)
    found = state.push(np.array([[NAN, 50.0], [2.0, 3.0]]), np.array([5.0, NAN]))
    assert np.isnan(found[1]).all()
    assert np.isnan(found[0, 0])
    again = state.push(np.array([[4.0, 4.0]]), np.array([4.0]))
    assert again[0, 0] == 0.0
    assert again[0, 1] < 0.0  # the second went up with the market tenfold


def test_slope_does_not_fade_while_a_symbol_has_no_score() -> None:
    state = Residuals(1)
    state.push(np.array([[20.0]]), np.array([10.0]))
    state.push(np.full((1800, 1), NAN), np.ones(1800))
    found = state.push(np.array([[20.0]]), np.array([10.0]))
    assert found.item() == 5.0  # 20 - 1.5 * 10, as right after


def test_residuals_of_a_symbol_that_joins_start_like_all_others() -> None:
    state = Residuals(1)
    state.push(np.array([[20.0]]), np.array([10.0]))
    state.widen(2)
    found = state.push(np.array([[20.0, 20.0]]), np.array([10.0]))
    assert found.tolist() == [[5.0, 10.0]]
