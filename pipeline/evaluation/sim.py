"""Detectors side by side on the simulated market: recall, false alarms, delay, per setting.

All detectors see the same trades of the same paths, through the engine that runs live. Rates at a
recall are those of the score alone, with alarms no further apart than a minute counted as one; what
a user would see of the episodes under the default thresholds is told beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.config import Config
from pipeline.durations import DAY, SECOND
from pipeline.engine import ShardEngine
from pipeline.evaluation.judged import EXCUSED_US, Judged, threshold_at, threshold_for
from pipeline.evaluation.simulated import SYMBOL, Setting, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.evaluation.simulated import Path

#: Parameters were chosen on these seeds, and on no others.
CHOSEN_ON = tuple(range(200, 212))
#: What is told is measured on these.
REPORTED_ON = tuple(range(600, 606))

#: The recalls of a curve.
CURVE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

DEFAULT = Setting("default")
#: Other markets; parameters were not chosen on them.
HARDER = (
    replace(DEFAULT, name="wide_spread", half_spread_bp=2.0),
    replace(DEFAULT, name="heavy_tails", tail=3.0, bursts_per_day=48.0),
)
#: A second jump three minutes after a large one.
AFTERSHOCKS = replace(
    DEFAULT, name="aftershocks", jump_sizes=(6.0, 12.0), aftershock_sizes=(3.0, 6.0)
)
#: Gaps between trades, in seconds, of markets in which nothing happens.
ILLIQUID_GAPS_S = (3.3, 10.0, 33.0, 100.0)

#: The one of the product, and the classic one on trades: what alert bots commonly do.
DETECTORS: dict[str, dict[str, Any]] = {
    "multi_horizon": {},
    "zscore": {"sampling": {"every": "trade"}, "detector": {"name": "zscore", "window": 120}},
}


@dataclass(frozen=True, slots=True)
class Run:
    """What a detector said of a path.

    Attributes:
        judged: Its scores.
        alerts: ALERTS in their last state.
    """

    judged: Judged
    alerts: pl.DataFrame

    def false_episodes(self) -> int:
        """Return how many episodes no jump excuses."""
        starts = self.alerts["start_time"].to_physical().to_numpy()
        jump = np.searchsorted(self.judged.path.jump_us, starts, side="right") - 1
        begun = np.append(self.judged.path.jump_us, np.iinfo(np.int64).min // 2)[jump]
        return int(np.count_nonzero(starts - begun > EXCUSED_US))

    def alarmed_us(self) -> int:
        """Return for how long an episode was open."""
        ended = self.alerts.filter(pl.col("end_time").is_not_null())
        return int((ended["end_time"] - ended["start_time"]).dt.total_microseconds().sum())


def run(path: Path, detector: Mapping[str, Any]) -> Run:
    """Return what a detector says of a path.

    Args:
        path: What happened.
        detector: Sections of a configuration.
    """
    sections = {"symbols": [SYMBOL], "features": ["realized_vol_1m"], **detector}
    config = Config.model_validate(sections)
    engine = ShardEngine([SYMBOL], config)
    told = [engine.step(path.trades), engine.finish()]
    features = pl.concat([one.features for one in told])
    known_us = features["open_time"].to_physical().to_numpy() + (config.sampling.step_us or 0)
    score = features["score"].fill_null(np.nan).to_numpy()
    alerts = pl.concat([one.alerts for one in told])
    return Run(Judged(path, known_us, score), alerts.unique("alert_id", keep="last"))


def evaluate_sim(
    seeds: Sequence[int], told: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Return the report of all detectors on all settings.

    Args:
        seeds: A path of each setting for each.
        told: Is called with the name of each part when it is done.
    """
    detectors: dict[str, dict[str, Any]] = {name: {"settings": {}} for name in DETECTORS}
    thresholds = {}
    for setting in (DEFAULT, *HARDER):
        paths = [simulate(setting, seed) for seed in seeds]
        for name, detector in DETECTORS.items():
            runs = [run(path, detector) for path in paths]
            figures = _figures(runs)
            if setting is DEFAULT:
                detectors[name] |= figures
                thresholds[name] = figures["threshold_at_recall_0.8"]
            else:
                detectors[name]["settings"][setting.name] = figures
        told(setting.name)
    aftershocks = [simulate(AFTERSHOCKS, seed) for seed in seeds]
    for name, detector in DETECTORS.items():
        found = [_aftershocks_found(run(path, detector), thresholds[name]) for path in aftershocks]
        detectors[name]["aftershock_recall"] = _rounded(float(np.concatenate(found).mean()))
    told(AFTERSHOCKS.name)
    for gap_s in ILLIQUID_GAPS_S:
        calm = replace(DEFAULT, jumps_per_day=0.0, bursts_per_day=0.0, trades_per_s=1.0 / gap_s)
        paths = [simulate(calm, seed) for seed in seeds]
        for name, detector in DETECTORS.items():
            runs = [run(path, detector) for path in paths]
            held = detectors[name]["settings"].setdefault("illiquid", {})
            held[f"{gap_s:g} s"] = _of_episodes(runs)
        told(f"a trade every {gap_s:g} s")
    return {
        "seeds": list(seeds),
        "chosen_on": list(CHOSEN_ON),
        "warning": warning_about(seeds),
        "detectors": detectors,
    }


def warning_about(seeds: Sequence[int]) -> str | None:
    """Return what has to be said of a report on seeds that parameters were chosen on, too."""
    both = [str(seed) for seed in seeds if seed in CHOSEN_ON]
    return f"parameters were chosen on seeds {', '.join(both)}, too" if both else None


def _figures(runs: Sequence[Run]) -> dict[str, Any]:
    """Return how well a detector does on the paths of a setting."""
    judged = [one.judged for one in runs]
    days = sum(one.path.days for one in judged)
    figures: dict[str, Any] = {}
    for recall in (0.5, 0.8, 0.9):
        threshold = threshold_at(judged, recall)
        false = sum(one.false_alarms(threshold) for one in judged)
        figures[f"false_alarms_per_day_at_recall_{recall}"] = _rounded(false / days)
        if recall == 0.8:
            scores = np.concatenate([one.jump_scores() for one in judged])
            found = np.count_nonzero(scores >= threshold)
            delays = np.concatenate([one.delays_s(threshold) for one in judged])
            figures["threshold_at_recall_0.8"] = threshold
            figures["precision_at_recall_0.8"] = _rounded(found / (found + false))
            figures["median_latency_s"] = _rounded(float(np.nanmedian(delays)))
    figures["curve"] = [_point(judged, recall, days) for recall in CURVE]
    budget = threshold_for(judged, per_day=12.0)
    scores = np.concatenate([one.jump_scores() for one in judged])
    figures["recall_at_0.5_alarms_per_hour"] = _rounded(float((scores >= budget).mean()))
    return figures | {"episodes": _of_episodes(runs), "jumps": len(scores)}


def _point(judged: Sequence[Judged], recall: float, days: float) -> dict[str, float]:
    threshold = threshold_at(judged, recall)
    false = sum(one.false_alarms(threshold) for one in judged)
    return {
        "recall": recall,
        "threshold": _rounded(threshold),
        "false_alarms_per_day": _rounded(false / days),
    }


def _of_episodes(runs: Sequence[Run]) -> dict[str, float]:
    """Return what a user sees of a detector under its default thresholds."""
    days = sum(one.judged.path.days for one in runs)
    alarmed_us = sum(one.alarmed_us() for one in runs)
    return {
        "false_per_day": _rounded(sum(one.false_episodes() for one in runs) / days),
        "per_day": _rounded(sum(one.alerts.height for one in runs) / days),
        "time_in_alarm_share": _rounded(alarmed_us / (days * DAY), 5),
        "judged_share": _rounded(float(np.mean([_judged_share(one) for one in runs]))),
    }


def _judged_share(one: Run) -> float:
    """Return the share of the seconds of a path in which there is a score."""
    known_us = one.judged.time_us[~np.isnan(one.judged.score)]
    return len(np.unique(known_us // SECOND)) / (one.judged.path.days * DAY / SECOND)


def _aftershocks_found(one: Run, threshold: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Say of each aftershock whether it was found."""
    return one.judged.jump_scores()[one.judged.path.is_aftershock] >= threshold


def _rounded(value: float, digits: int = 3) -> float:
    return round(value, digits)
