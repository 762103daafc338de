"""The venue's clock, as seen from here: it may run at any speed, as a replay does."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class _Reading:
    local_us: float  # middle of the round trip
    venue_us: int
    error_us: float  # half the round trip: the answer may have been made at either end


@dataclass(frozen=True, slots=True)
class Skew:
    """How far the venue's clock is ahead of this machine's, and how wrong that may be."""

    skew_us: int
    error_us: int


class VenueClock:
    """An estimate from a few recent readings of the venue's time.

    It starts to run with the second reading. The speed is the slowest of those seen between
    neighbouring readings, and the time the lowest that any of them gives at that speed: a clock
    that jumps is followed late, and the estimate falls behind rather than runs ahead. Readings that
    are as far apart as the local clock says, but for one step, are of a clock that keeps time.

    Args:
        step_us: How finely the venue tells its time: readings are cut down to whole steps.
    """

    def __init__(self, step_us: int = 1) -> None:
        self._step_us = step_us
        self._readings: deque[_Reading] = deque(maxlen=4)

    def read(self, venue_us: int, sent_us: int, received_us: int) -> None:
        """Take a reading: the venue's time, and the local monotonic clock around the request."""
        middle_us, error_us = (sent_us + received_us) / 2, (received_us - sent_us) / 2
        self._readings.append(_Reading(middle_us, venue_us, error_us))

    @property
    def speed(self) -> float | None:
        """Venue seconds per local second; null before the second reading."""
        if len(self._readings) < 2:
            return None
        spans = [
            (new.venue_us - old.venue_us, new.local_us - old.local_us)
            for old, new in pairwise(self._readings)
        ]
        if all(abs(venue_us - local_us) < self._step_us for venue_us, local_us in spans):
            return 1.0
        return max(0.0, min(venue_us / local_us for venue_us, local_us in spans))

    def now_us(self, local_us: int) -> int | None:
        """Return the venue's time at a local monotonic time; null before the second reading."""
        speed = self.speed
        if speed is None:
            return None
        return int(
            min(
                reading.venue_us + speed * (local_us - reading.local_us)
                for reading in self._readings
            )
        )

    def skew(self, local_us: int, wall_us: int) -> Skew | None:
        """Return what the surest of the recent readings says that agree with the newest.

        Those that do not, though they may be as far apart as both can be wrong, are of a clock that
        was set since.

        Args:
            local_us: The local monotonic clock.
            wall_us: This machine's clock, at the same moment.

        Returns:
            Null before the second reading, and for a venue that runs at any other speed than time.
        """
        speed = self.speed
        if speed is None or not 0.5 < speed < 2.0:
            return None
        best = min(self._agreeing(), key=lambda reading: reading.error_us)
        cut_us = (self._step_us - 1) / 2  # off a reading, give or take as much
        venue_us = best.venue_us + cut_us + (local_us - best.local_us)
        return Skew(round(venue_us - wall_us), round(best.error_us + cut_us))

    def _agreeing(self) -> list[_Reading]:
        newest = self._readings[-1]
        ahead_us = newest.venue_us - newest.local_us
        return [
            reading
            for reading in self._readings
            if abs(reading.venue_us - reading.local_us - ahead_us)
            <= reading.error_us + newest.error_us + self._step_us
        ]

    def settled_us(self, local_us: int, allowance_us: int) -> int | None:
        """Return the venue time up to which everything sent has surely arrived.

        Args:
            local_us: The local monotonic clock.
            allowance_us: How long a message may be under way, on the local clock.
        """
        now_us = self.now_us(local_us)
        speed = self.speed
        if now_us is None or speed is None:
            return None
        return int(now_us - allowance_us * max(speed, 1.0))
