"""The venue's request budget: weight spent by each address in the current minute."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.durations import MINUTE, SECOND

WEIGHT_PER_MINUTE = 6000


@dataclass(frozen=True, slots=True)
class Spent:
    """What an address spent this minute, and when to come back if that is too much."""

    used: int
    retry_after_s: int | None


class RequestWeights:
    """Counts per minute of the clock; all counts go when the next minute begins."""

    def __init__(self) -> None:
        self._minute = -1
        self._used: dict[str, int] = {}

    def spend(self, address: str, weight: int, now_us: int) -> Spent:
        """Charge a request; it is refused when `retry_after_s` is not null."""
        minute, into_us = divmod(now_us, MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        used = self._used.get(address, 0) + weight
        self._used[address] = used
        if used <= WEIGHT_PER_MINUTE:
            return Spent(used, None)
        return Spent(used, -(-(MINUTE - into_us) // SECOND))
