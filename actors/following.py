"""Which markets a rule means, at the start and while a pipeline runs."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.durations import SECOND
from pipeline.errors import ConfigError, VenueError
from pipeline.universe import choose, newcomers

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.rest import RestClient
    from pipeline.config import SymbolRule
    from pipeline.venues.protocol import Instrument, Venue

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """What has changed in a listing.

    Attributes:
        listed: Markets to be watched from now on.
        delisted: All that were watched and do not trade any more.
    """

    listed: tuple[Instrument, ...]
    delisted: frozenset[str]


class Following:
    """Follows the listing of a venue by a rule.

    Args:
        venue: Whose listing.
        rest: Asks it.
        rule: Which markets, and how often to ask.
        clock: Seconds that only move forward.
    """

    def __init__(
        self,
        venue: Venue,
        rest: RestClient,
        rule: SymbolRule,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._rule = rule
        self._clock_s = clock
        self._due_s = clock()
        self._watched: dict[str, Instrument] = {}
        self._delisted: frozenset[str] = frozenset()

    def begin(self, config_path: str) -> list[Instrument]:
        """Return the markets to start with.

        Raises:
            ConfigError: There are none, or the venue does not tell what to rank by.
            VenueError: It cannot be asked.
        """
        if self._venue.volumes_request() is None:
            problem = f"expected names: {self._venue.name} tells no volumes to choose by"
            raise ConfigError(config_path, [f"symbols: {problem}"])
        instruments, chosen = self._ask()
        if not chosen:
            problem = f"expected markets in {self._rule.quote}, found none on {self._venue.name}"
            raise ConfigError(config_path, [f"symbols.quote: {problem}"])
        self._watched = {symbol: instruments[symbol] for symbol in chosen}
        return list(self._watched.values())

    def look(self) -> Change | None:
        """Return what has changed since the last call; null for nothing, or when it is not due."""
        if self._clock_s() < self._due_s:
            return None
        try:
            instruments, chosen = self._ask()
        except VenueError as error:
            logger.warning("the listing cannot be asked for, the same markets go on: %s", error)
            self._due_s = self._clock_s() + self._rule.refresh / SECOND
            return None
        delisted = frozenset(
            symbol
            for symbol in self._watched
            if symbol not in instruments or not instruments[symbol].trading
        )
        listed = newcomers(self._watched, chosen, delisted, self._rule)
        if not listed and delisted == self._delisted:
            return None
        self._delisted = delisted
        self._watched |= {symbol: instruments[symbol] for symbol in listed}
        return Change(tuple(instruments[symbol] for symbol in listed), delisted)

    @property
    def watched(self) -> list[Instrument]:
        """All markets that were ever to be watched, in the order they came."""
        return list(self._watched.values())

    def _ask(self) -> tuple[dict[str, Instrument], tuple[str, ...]]:
        """Return the listing, and what the rule chooses of it."""
        volumes_request = self._venue.volumes_request()
        assert volumes_request is not None  # noqa: S101 - looked at in the beginning
        listing = self._venue.parse_instruments(self._rest.get(self._venue.instruments_request([])))
        volumes = self._venue.parse_volumes(self._rest.get(volumes_request))
        self._due_s = self._clock_s() + self._rule.refresh / SECOND
        instruments = {instrument.symbol: instrument for instrument in listing}
        return instruments, choose(listing, volumes, self._rule)
