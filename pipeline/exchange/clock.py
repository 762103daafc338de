"""The exchange's clock: a venue time that follows a monotonic one, faster or not at all."""

from __future__ import annotations


class MarketClock:
    """Counts venue time while it runs. The caller passes monotonic time in."""

    def __init__(self, start_us: int, *, speed: float) -> None:
        self._venue_us = float(start_us)
        self._speed = speed
        self._since_us: int | None = None

    @property
    def running(self) -> bool:
        """Whether the clock was started."""
        return self._since_us is not None

    def start(self, monotonic_us: int) -> None:
        """Let time pass from `monotonic_us` on."""
        self._since_us = monotonic_us

    def read(self, monotonic_us: int) -> int:
        """Return the venue time; the start until the clock runs."""
        if self._since_us is not None:
            self._venue_us += (monotonic_us - self._since_us) * self._speed
            self._since_us = monotonic_us
        return int(self._venue_us)
