"""A venue's clock, read over REST by one thread and asked for by others."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pipeline.clock import VenueClock
from pipeline.durations import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.rest import RestClient
    from pipeline.clock import Skew
    from pipeline.venues.protocol import Venue

_EVERY_S = 5.0
_FIRST_EVERY_S = 0.5

#: A trade this far ahead of the venue's own clock is broken data.
_AHEAD_US = 10 * SECOND


class VenueTime:
    """Reads a venue's clock, again and again: see VenueClock.

    Args:
        venue: Says what to ask, and reads the answer.
        rest: Asks it.
        clock: Seconds that only move forward.
    """

    def __init__(self, venue: Venue, rest: RestClient, clock: Callable[[], float]) -> None:
        self._venue = venue
        self._rest = rest
        self._clock_s = clock
        self._due_s = clock()
        self._lock = threading.Lock()
        self._clock = VenueClock(venue.clock_step_us)

    @property
    def due(self) -> bool:
        """Whether it is time to read."""
        return self._clock_s() >= self._due_s

    def read(self) -> None:
        """Ask the venue.

        Raises:
            VenueError: It cannot be asked, or says no.
        """
        self._due_s = self._clock_s() + _EVERY_S
        sent_us = time.monotonic_ns() // 1000
        venue_us = self._venue.parse_time(self._rest.get(self._venue.time_request()))
        received_us = time.monotonic_ns() // 1000
        with self._lock:
            self._clock.read(venue_us, sent_us, received_us)
            running = self._clock.speed is not None
        if not running:
            self._due_s = self._clock_s() + _FIRST_EVERY_S

    def now_us(self, local_us: int) -> int | None:
        """Return the venue's clock at a local monotonic time; null while unknown."""
        with self._lock:
            return self._clock.now_us(local_us)

    def latest_us(self, local_us: int) -> int | None:
        """Return the latest time a trade can have; null while unknown, or in a replay.

        A venue that runs at any other speed than time has no clock to judge its trades by.
        """
        with self._lock:
            speed, now_us = self._clock.speed, self._clock.now_us(local_us)
        if now_us is None or speed is None or not 0.5 < speed < 2.0:
            return None
        return now_us + _AHEAD_US

    def skew(self) -> Skew | None:
        """Return how far the venue's clock is ahead of this machine's."""
        local_us, wall_us = time.monotonic_ns() // 1000, time.time_ns() // 1000
        with self._lock:
            return self._clock.skew(local_us, wall_us)

    def settled_us(self, local_us: int, allowance_us: int) -> int | None:
        """Return the venue time up to which everything sent has arrived."""
        with self._lock:
            return self._clock.settled_us(local_us, allowance_us)
