from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.config import EpisodesConfig
from pipeline.detect.thresholds import Thresholds, thresholds_of

CONFIG = EpisodesConfig(enter=4.1, exit=2.1)


def test_thresholds_of_fixed_scores_are_those_that_were_written() -> None:
    # 4.1 * (2.1 / 4.1) is 2.0999999999999996.
    fixed = thresholds_of(CONFIG, np.array([4.1, 8.0, 12.0]))
    assert fixed == Thresholds(enter=4.1, exit=2.1, major=8.0, critical=12.0)


def test_thresholds_of_a_budget_keep_the_ratio_of_exit_to_enter() -> None:
    found = thresholds_of(CONFIG, np.array([8.2, 16.0, 24.0]))
    assert (found.enter, found.major, found.critical) == (8.2, 16.0, 24.0)
    assert found.exit == pytest.approx(4.2, rel=1e-15)
