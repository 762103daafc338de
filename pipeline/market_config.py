"""The market's part of the configuration: what all symbols together are told by."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config_fields import WRITTEN, Section, between, written_step_us
from pipeline.durations import SECOND, format_duration, parse_duration

#: Within so many grid steps a symbol may be part of an episode of the market, if nothing is said.
FOLD_STEPS = 10


class MarketConfig(Section):
    """The market: all symbols together, as one series through the same detector.

    Attributes:
        min_symbols: Known returns without which the market has none.
        fold_within: An episode of a symbol that starts so long before or after one of the market,
            both inclusive, may be part of it; if not given, ten steps, and at least ten seconds.
    """

    min_symbols: Annotated[int, Field(ge=2, le=1000)] = 3
    fold_within: Annotated[int, between("0s", "1d"), WRITTEN] = parse_duration("10s")


def market_suited_to(every: object, raw: object) -> object:
    """Return the market's section as it was written, with what suits the grid where it is silent.

    Args:
        every: `sampling.every`, as it was written.
        raw: The section, as it was written.
    """
    step_us = written_step_us(every)
    if not isinstance(raw, dict) or step_us is None:
        return raw
    return {"fold_within": format_duration(FOLD_STEPS * max(step_us, SECOND)), **raw}
