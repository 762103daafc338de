"""What docs/detection.md promises, held on a part of what it is measured on.

Paths and months are fixed, so figures are exact. They were recorded, not worked out: whoever
changes one on purpose measures the tables of docs/detection.md anew.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipeline.evaluation.budgets import budget_use
from pipeline.evaluation.judged import Judged, threshold_at
from pipeline.evaluation.klines import minutes_config, run_klines
from pipeline.evaluation.sim import DEFAULT, DETECTORS, REPORTED_ON, run
from pipeline.evaluation.simulated import simulate
from tests.recorded import DATA, needs_recordings

RECALL = 0.8

#: Two of the six reported paths: jumps, threshold at the recall, false alarms, median seconds.
OURS = {600: (48, 5.728181932488959, 30, 1.0), 601: (52, 5.64527508210894, 38, 1.1)}
CLASSIC = {600: (48, 4.1120749130233865, 560, 0.316), 601: (52, 4.120363651723334, 841, 0.410)}

Figures = dict[int, tuple[int, float, int, float]]


def figures_of(judged: Judged) -> tuple[int, float, int, float]:
    threshold = threshold_at([judged], RECALL)
    median_s = float(np.nanmedian(judged.delays_s(threshold)))
    return len(judged.path.jump_us), threshold, judged.false_alarms(threshold), median_s


@pytest.fixture(scope="module")
def measured() -> dict[str, Figures]:
    paths = {seed: simulate(DEFAULT, seed) for seed in OURS}
    return {
        name: {seed: figures_of(run(path, detector).judged) for seed, path in paths.items()}
        for name, detector in DETECTORS.items()
    }


@pytest.mark.parametrize(("name", "figures"), [("multi_horizon", OURS), ("zscore", CLASSIC)])
def test_detector_on_reported_paths_has_the_reported_figures(
    measured: dict[str, Figures], name: str, figures: Figures
) -> None:
    assert set(figures) <= set(REPORTED_ON)
    for seed, expected in figures.items():
        jumps, threshold, false, median_s = measured[name][seed]
        assert (jumps, false) == (expected[0], expected[2])
        assert threshold == pytest.approx(expected[1], rel=1e-9)
        assert median_s == pytest.approx(expected[3], abs=5e-4)


def test_detector_has_a_twelfth_of_the_false_alarms_of_the_classic_one_at_most(
    measured: dict[str, Figures],
) -> None:
    for seed in OURS:
        ours, classic = (measured[name][seed][2] for name in ("multi_horizon", "zscore"))
        assert ours <= classic / 12


@needs_recordings
def test_detector_on_a_recorded_month_has_the_reported_alerts_with_and_without_a_budget() -> None:
    file = str(DATA / "klines-2021-09" / "BTC_USDT-1m.json.gz")
    budgeted = minutes_config(["detector.budget={minor: 0.5/d, major: 3/30d, critical: 1/30d}"])
    (fixed,) = run_klines([file], minutes_config())
    (found,) = run_klines([file], budgeted)
    assert fixed.rows == 43_079
    assert Counter(fixed.alerts["severity"]) == {"minor": 24, "major": 20, "critical": 5}
    assert Counter(found.alerts["severity"]) == {"minor": 13, "major": 4, "critical": 2}
    use = budget_use(found, budgeted.detector)
    # Of that severity or worse, in the 26.6 days since thresholds were found: 13.3, 2.7 and 0.9.
    assert use["alerts"] == {"minor": 13, "major": 3, "critical": 1}
    assert use["threshold"] == pytest.approx(
        {"minor": 9.04873349712422, "major": 16.798779728733997, "critical": 26.25908600500275},
        rel=1e-9,
    )
