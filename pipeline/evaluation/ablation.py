"""What each choice of the default detector is worth: the simulated market with one thing changed.

Measured on seeds that choices are made on, so that those of `evaluate sim` stay unseen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.judged import threshold_at
from pipeline.evaluation.sim import AFTERSHOCKS, CHOSEN_ON, DEFAULT, HARDER, ILLIQUID_GAPS_S, run
from pipeline.evaluation.simulated import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.evaluation.sim import Run
    from pipeline.evaluation.simulated import Path, Setting

#: Of those that choices are made on, enough for the differences to be seen.
SEEDS = CHOSEN_ON[:8]

_CLASSIC = {"name": "zscore", "window": 120}
_NONE = 1e-6  # of a floor, which has to be above zero

#: What is changed, as sections of a configuration.
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no uniform clock: the classic score, trade by trade": {
        "sampling": {"every": "trade"},
        "detector": _CLASSIC,
    },
    "the classic score, second by second": {"detector": {**_CLASSIC, "window": 300}},
    "one horizon of 5 s": {"detector": {"horizons": ["5s"]}},
    "horizons of 5 and 15 s": {"detector": {"horizons": ["5s", "15s"]}},
    "a window of 240 s": {"detector": {"window": "4m"}},
    "outliers stay": {"detector": {"winsor": 1e6}},
    "outliers beyond 3 scales": {"detector": {"winsor": 3.0}},
    "outliers beyond 5 scales": {"detector": {"winsor": 5.0}},
    "no floor": {"detector": {"floor_bp": _NONE}},
    "no least move": {"detector": {"min_move_bp": 0.0}},
    "neither floor nor least move": {"detector": {"floor_bp": _NONE, "min_move_bp": 0.0}},
    "price step not known": {"detector": {"tick": 0.0}},
    "no cool-down, no hold": {"detector": {"cool_down": "0s", "hold": "0s"}},
}

_CALM = replace(DEFAULT, jumps_per_day=0.0, bursts_per_day=0.0)
_THIN = replace(_CALM, name="thin", trades_per_s=1.0 / ILLIQUID_GAPS_S[0])
#: A pair of dollars: it hardly moves.
_STILL = replace(
    _CALM, name="still", annual_volatility=0.005, half_spread_bp=0.02, trades_per_s=0.1
)
#: Prices in steps of 20 basis points: of a coin that is worth 0.000005 and priced to eight digits.
_COARSE = replace(_CALM, name="coarse", price_step=0.2)
_SETTINGS = (DEFAULT, HARDER[1], AFTERSHOCKS, _THIN, _STILL)


def ablation(
    seeds: Sequence[int] = SEEDS, told: Callable[[int, int], None] = lambda *_: None
) -> dict[str, Any]:
    """Return the figures of every change, on the same paths.

    Args:
        seeds: A path of each setting for each.
        told: Is called with how many changes are done, and of how many.
    """
    paths = {setting.name: _paths(setting, seeds) for setting in (*_SETTINGS, _COARSE)}
    changes = {}
    for done, (name, change) in enumerate(CHANGES.items(), start=1):
        changes[name] = _figures(paths, change)
        told(done, len(CHANGES))
    return {"seeds": list(seeds), "changes": changes}


def _paths(setting: Setting, seeds: Sequence[int]) -> list[Path]:
    return [simulate(setting, seed) for seed in seeds]


def _figures(
    paths: Mapping[str, Sequence[Path]], change: Mapping[str, Any]
) -> dict[str, float | None]:
    """Return false alarms a day at recall 0.8, aftershocks found, and episodes that are false."""
    runs = {
        setting.name: [run(path, change) for path in paths[setting.name]] for setting in _SETTINGS
    }
    default, heavy, aftershocks, thin, still = (runs[setting.name] for setting in _SETTINGS)
    coarse = [run(path, _knowing_step(change)) for path in paths[_COARSE.name]]
    threshold = threshold_at([one.judged for one in default], 0.8)
    found = [
        one.judged.jump_scores()[one.judged.path.is_aftershock] >= threshold for one in aftershocks
    ]
    return {
        "false_alarms_per_day": _false_alarms(default),
        "with_heavy_tails": _false_alarms(heavy),
        "aftershock_recall": round(float(np.concatenate(found).mean()), 2),
        "false_episodes_per_day": _per_day(default, sum(one.false_episodes() for one in default)),
        "thin_episodes_per_day": _per_day(thin, sum(one.alerts.height for one in thin)),
        "still_episodes_per_day": _per_day(still, sum(one.alerts.height for one in still)),
        "coarse_episodes_per_day": _per_day(coarse, sum(one.alerts.height for one in coarse)),
    }


def _knowing_step(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change of a detector that knows the price step, if it has a use for it."""
    detector = change.get("detector", {})
    known = {} if "name" in detector else {"tick": _COARSE.price_step}
    return {**change, "detector": {**known, **detector}}


def _false_alarms(runs: Sequence[Run]) -> float:
    judged = [one.judged for one in runs]
    threshold = threshold_at(judged, 0.8)
    return _per_day(runs, sum(one.false_alarms(threshold) for one in judged))


def _per_day(runs: Sequence[Run], count: int) -> float:
    return round(count / sum(one.judged.path.days for one in runs), 1)
