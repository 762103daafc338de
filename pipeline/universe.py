"""Which markets to watch, where a rule says so: those of a quote asset that trade the most."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline.config import SymbolRule
    from pipeline.venues.protocol import Instrument

#: So many more than asked for may be watched: a market at the edge of the rank is not dropped when
#: another overtakes it.
_ROOM = 1.2


def choose(
    instruments: Iterable[Instrument], volumes: Mapping[str, float], rule: SymbolRule
) -> tuple[str, ...]:
    """Return the markets of a rule, those of the highest volume first, then by name.

    Args:
        instruments: That the venue lists.
        volumes: Of a day, in the quote asset; a market without one has none.
        rule: Which quote asset, how many, and which not.
    """
    ranked = sorted(
        (
            (-volumes.get(instrument.symbol, 0.0), instrument.symbol)
            for instrument in instruments
            if instrument.trading
            and instrument.quote_asset == rule.quote
            and instrument.symbol not in rule.exclude
        ),
    )
    return tuple(symbol for _, symbol in ranked[: rule.top])


def newcomers(
    watched: Collection[str], chosen: Iterable[str], delisted: Collection[str], rule: SymbolRule
) -> tuple[str, ...]:
    """Return what is to be watched beside what is, in the order of `chosen`.

    What is watched stays watched until the venue delists it. There is room for a fifth more than
    the rule asks for.

    Args:
        watched: All that were ever watched.
        chosen: The markets of the rule as it now is.
        delisted: Of those watched, the ones that do not trade any more.
        rule: How many.
    """
    room = ceil(_ROOM * rule.top) - len(set(watched) - set(delisted))
    new = [symbol for symbol in chosen if symbol not in watched]
    return tuple(new[: max(0, room)])
