"""Which markets a rule means, at the start and while a pipeline runs."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from pipeline.durations import SECOND
from pipeline.errors import ConfigError, VenueError
from pipeline.universe import Turnover, turnover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.rest import RestClient
    from pipeline.config_sections import SymbolRule
    from pipeline.venues.protocol import Instrument, Venue

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """What has changed in a listing.

    Attributes:
        entered: Markets to be watched from now on.
        ended: Markets not to be watched any more, each with the condition that says why.
    """

    entered: tuple[Instrument, ...]
    ended: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Listing:
    instruments: Mapping[str, Instrument]
    volumes: Mapping[str, float]


class Following:
    """Follows the listing of a venue by a rule.

    Args:
        venue: Whose listing.
        rest: Asks it, and nobody else.
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
        self._watched: set[str] = set()
        self._asking: Thread | None = None
        self._answers: SimpleQueue[_Listing | None] = SimpleQueue()

    def begin(self, config_path: str) -> list[Instrument]:
        """Return the markets to start with.

        Raises:
            ConfigError: There are none.
            VenueError: It cannot be asked.
        """
        listing = self._ask()
        entered = self._take(listing).entered
        if not entered:
            problem = f"expected markets in {self._rule.quote}, found none on {self._venue.name}"
            raise ConfigError(config_path, [f"symbols.quote: {problem}"])
        return [listing.instruments[symbol] for symbol in entered]

    def look(self) -> Change | None:
        """Return what has changed since the last call; null for nothing so far.

        The venue is asked from another thread, when it is due: who calls does not wait for it.
        """
        if self._asking is None:
            if self._clock_s() >= self._due_s:
                self._asking = Thread(target=self._ask_aside, name="listing", daemon=True)
                self._asking.start()
            return None
        if self._asking.is_alive():
            return None
        self._asking = None
        listing = self._answers.get_nowait()
        if listing is None:
            self._due_s = self._clock_s() + self._rule.refresh / SECOND
            return None
        change = self._take(listing)
        if not change.entered and not change.ended:
            return None
        entered = tuple(listing.instruments[symbol] for symbol in change.entered)
        return Change(entered, change.ended)

    def _ask_aside(self) -> None:
        try:
            self._answers.put(self._ask())
        except VenueError as error:
            logger.warning("the listing cannot be asked for, the same markets go on: %s", error)
            self._answers.put(None)

    def _ask(self) -> _Listing:
        """Return the listing and what to rank it by.

        Raises:
            VenueError: It cannot be asked, or answers that there is nothing.
        """
        listed = self._venue.parse_instruments(self._rest.get(self._venue.instruments_request([])))
        volumes = self._venue.parse_volumes(self._rest.get(self._venue.volumes_request()))
        if not listed or not volumes:
            found = f"{len(listed)} markets and {len(volumes)} volumes"
            raise VenueError(f"{self._venue.name}: expected some markets, found {found}")
        return _Listing({instrument.symbol: instrument for instrument in listed}, volumes)

    def _take(self, listing: _Listing) -> Turnover:
        """Compare a listing with what is watched, and watch what it says."""
        self._due_s = self._clock_s() + self._rule.refresh / SECOND
        instruments = list(listing.instruments.values())
        change = turnover(self._watched, instruments, listing.volumes, self._rule)
        self._watched = (self._watched | {*change.entered}) - change.ended.keys()
        return change
