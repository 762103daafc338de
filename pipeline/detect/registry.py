"""Detectors by name: the built-in ones, and those of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pipeline.detect.config import BUILT_IN, MultiHorizonConfig, PluginDetectorConfig, ZScoreConfig
from pipeline.detect.multi_horizon import MultiHorizon
from pipeline.detect.zscore import ZScore
from pipeline.plugins import load_detectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import SamplingConfig
    from pipeline.detect.config import DetectorConfig
    from pipeline.detect.protocol import Detector


def detector_of(
    configs: Sequence[DetectorConfig], plugins: Sequence[str], sampling: SamplingConfig
) -> Detector:
    """Return the detector of the symbols of a shard.

    Args:
        configs: Symbol by symbol, all of one name, and of one list of horizons.
        plugins: Modules that may have it.
        sampling: The samples it sees.

    Raises:
        ValueError: A plugin refuses its settings.
    """
    step_us = sampling.step_us
    if isinstance(configs[0], ZScoreConfig):
        return ZScore([one.window for one in cast("Sequence[ZScoreConfig]", configs)])
    if isinstance(configs[0], MultiHorizonConfig):
        own = cast("Sequence[MultiHorizonConfig]", configs)
        assert step_us is not None  # noqa: S101 - the configuration was checked
        return MultiHorizon(own, every_us=step_us, forward_fill_us=sampling.forward_fill)
    plugged = cast("Sequence[PluginDetectorConfig]", configs)
    kinds = {one.name: one for one in load_detectors(plugins)}
    return kinds[plugged[0].name].build([one.settings for one in plugged], step_us)


def detector_problems(
    config: DetectorConfig, plugins: Sequence[str], step_us: int | None
) -> list[str]:
    """Return what is wrong with a detector on a grid of `step_us`, each with the key it is about.

    Args:
        config: Of the detector.
        plugins: Modules that may have it.
        step_us: Null where every trade is a sample.
    """
    problems = [] if config.budget is None else config.budget.problems_on(step_us)
    if isinstance(config, MultiHorizonConfig):
        return problems + config.problems_on(step_us)
    if isinstance(config, PluginDetectorConfig):
        return problems + _problems_of_plugin(config, plugins, step_us)
    return problems


def _problems_of_plugin(
    config: PluginDetectorConfig, plugins: Sequence[str], step_us: int | None
) -> list[str]:
    kinds = {one.name: one for one in load_detectors(plugins)}
    if config.name not in kinds:
        known = ", ".join((*BUILT_IN, *sorted(kinds)))
        return [f"name: expected one of {known}, found {config.name!r}"]
    try:
        kinds[config.name].build([config.settings], step_us)
    except Exception as problem:  # noqa: BLE001 - code of others, of which nothing is known
        return [f"settings: {problem}"]
    return []
