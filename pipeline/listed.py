"""A configuration as a venue's listing completes it: which markets, and their price steps.

In a market whose price step is large beside how far it moves, nearly every return is none or one
step: the scale is small, and each step an alarm. Half a step as the least scale ends that, so live
runs take it from the listing. History has no listing: there a configuration says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config import OverrideConfig
from pipeline.detect.config import MultiHorizonConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import Config
    from pipeline.venues.protocol import Instrument


def as_listed(config: Config, instruments: Sequence[Instrument]) -> Config:
    """Return a configuration of these markets, in which the detector of each has a `tick`.

    One that is written down stays, and so does a detector that has no use for it.

    Args:
        config: As it was written, or as this returned it for other markets.
        instruments: What the venue lists of the markets to watch.
    """
    overrides = dict(config.overrides)
    for instrument in instruments:
        detector = config.detector_of(instrument.symbol)
        if isinstance(detector, MultiHorizonConfig) and detector.tick is None:
            stepped = detector.model_copy(update={"tick": instrument.tick_size})
            overrides[instrument.symbol] = OverrideConfig(detector=stepped)
    symbols = tuple(instrument.symbol for instrument in instruments)
    return config.model_copy(update={"symbols": symbols, "overrides": overrides})
