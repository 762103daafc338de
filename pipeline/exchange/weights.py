"""The venue's request budget: weight spent by each address in the current minute, and bans."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.durations import DAY, MINUTE, SECOND
from pipeline.exchange.limits import Counts

#: Of one address.
WEIGHT_PER_MINUTE = 6000

#: Refusals in a minute after which an address that goes on is banned.
REFUSALS = 10

#: The first ban lasts so long, each further one twice as long as the one before, up to the longest.
FIRST_BAN_US = 2 * MINUTE
LONGEST_BAN_US = 3 * DAY

# Addresses whose bans are remembered; the one that was banned longest ago leaves.
_BANNED = 10_000


@dataclass(frozen=True, slots=True)
class Spent:
    """What an address spent this minute, and when to come back if that is too much.

    Attributes:
        used: The weight, this request included.
        retry_after_s: Null for a request that is answered.
        banned: Whether it is refused because the address went on after refusals.
    """

    used: int
    retry_after_s: int | None = None
    banned: bool = False


class RequestWeights:
    """The weights and bans of all addresses; weights count by minutes of the clock."""

    def __init__(self) -> None:
        self._used = Counts(MINUTE)
        self._refusals = Counts(MINUTE)
        # When the newest ban of an address ends, and how long it is.
        self._bans: dict[str, tuple[int, int]] = {}

    def spend(self, address: str, weight: int, now_us: int) -> Spent:
        """Charge a request; it is refused when `retry_after_s` is not null."""
        used = self._used.add(address, weight, now_us)
        until_us, _ = self._bans.get(address, (0, 0))
        if now_us < until_us:
            return Spent(used, -(-(until_us - now_us) // SECOND), banned=True)
        if used <= WEIGHT_PER_MINUTE:
            return Spent(used)
        if self._refusals.add(address, 1, now_us) <= REFUSALS:
            return Spent(used, self._used.left_s(now_us))
        length_us = self._ban(address, now_us)
        return Spent(used, length_us // SECOND, banned=True)

    def _ban(self, address: str, now_us: int) -> int:
        _, last_us = self._bans.pop(address, (0, 0))
        length_us = min(2 * last_us, LONGEST_BAN_US) or FIRST_BAN_US
        if len(self._bans) == _BANNED:
            del self._bans[next(iter(self._bans))]
        self._bans[address] = now_us + length_us, length_us
        return length_us
