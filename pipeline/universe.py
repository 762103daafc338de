"""Which markets to watch, where a rule says so: those of a quote asset that trade the most.

A market enters when it is among the `top` by the volume of a day, and leaves when a fifth more
are ahead of it: one at the edge does not come and go with every trade. So at most a fifth more
than asked for are watched.

A market that the venue halts stays: a halt passes. Its volume of a day fades meanwhile, and a
market that is never traded again leaves by its rank, even where the venue lists it for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pipeline.config_sections import SymbolRule
    from pipeline.venues.protocol import Instrument


@dataclass(frozen=True, slots=True)
class Turnover:
    """Which markets a look at the listing adds and takes away.

    Attributes:
        entered: To be watched from now on, those of the highest volume first.
        ended: Not to be watched any more, each with the condition that says why: `delisted` when
            the venue lists it no more, `outranked` when others trade more.
    """

    entered: tuple[str, ...]
    ended: Mapping[str, str]


def turnover(
    watched: Collection[str],
    instruments: Collection[Instrument],
    volumes: Mapping[str, float],
    rule: SymbolRule,
) -> Turnover:
    """Compare the markets that are watched with what a rule says of a listing.

    Args:
        watched: None at the start.
        instruments: That the venue lists.
        volumes: Of a day, in the quote asset, by `Instrument.code`; one without any has none.
        rule: Which quote asset, how many, and which not.
    """
    candidates = [
        instrument
        for instrument in instruments
        if instrument.quote_asset == rule.quote
        and instrument.symbol not in rule.exclude
        and (instrument.trading or instrument.symbol in watched)
    ]
    candidates.sort(key=lambda one: (-volumes.get(one.code, 0.0), one.symbol))
    ranked = [instrument.symbol for instrument in candidates]
    kept = set(ranked[: _most_watched(rule)])
    listed = {instrument.symbol for instrument in instruments}
    return Turnover(
        tuple(symbol for symbol in ranked[: rule.top] if symbol not in watched),
        {
            symbol: "outranked" if symbol in listed else "delisted"
            for symbol in watched
            if symbol not in kept
        },
    )


def _most_watched(rule: SymbolRule) -> int:
    """Return a fifth more than asked for, rounded up."""
    return -(-6 * rule.top // 5)
