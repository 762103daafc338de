"""What a venue still takes from this address: requests by weight, and attempts to connect.

The venue counts by its own minutes; here every span of a minute is kept within the limit, so that
it does not matter when they begin. A tenth is left for whatever else uses the address.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.durations import MINUTE, SECOND

if TYPE_CHECKING:
    from pipeline.venues.protocol import Limits

#: A lease may be spent for so long, so that a ban holds for everybody within it.
LEASE_S = 1.0

_SHARE = 0.9
_CONNECTIONS_US = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Ban:
    """The venue wants no requests before a time."""

    until_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Weight to be spent within LEASE_S, or why there is none.

    Attributes:
        weight: 0 when there is none.
        wait_s: Then, how long to wait before asking again.
        reason: Then, why.
        ban: What the venue said, where it is the venue that wants no requests.
    """

    weight: int
    wait_s: float = 0.0
    reason: str = ""
    ban: Ban | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """How much of the budget is used.

    Attributes:
        weight: Spent or leased in the last minute.
        weight_limit: The most there may be.
        connections: Attempts in the last five minutes.
        connections_limit: The most there may be.
        ban: Null while requests are welcome.
    """

    weight: int
    weight_limit: int
    connections: int
    connections_limit: int
    ban: Ban | None


class Budget:
    """The books of one address at one venue; times are UTC microseconds that only move forward.

    Args:
        limits: What the venue takes.
        ban: One that an earlier run was told.
    """

    def __init__(self, limits: Limits, ban: Ban | None = None) -> None:
        self._weight_limit = round(_SHARE * limits.weight)
        self._connections_limit = round(_SHARE * limits.connections)
        self._ban = ban
        #: When, and how much: an entry a second at most.
        self._spent: deque[tuple[int, int]] = deque()
        self._total = 0
        self._dialed_us: deque[int] = deque()

    def lease(self, asked: int, least: int, now_us: int) -> Lease:
        """Return as much as is asked for and there is, but nothing where `least` is not there."""
        ban = self.ban(now_us)
        if ban is not None:
            wait_s = (ban.until_us - now_us) / SECOND
            reason = f"too many requests for {wait_s:.0f} s ({ban.reason})"
            return Lease(0, wait_s, reason, ban)
        self._forget(now_us)
        granted = min(asked, self._weight_limit - self._total)
        if granted < least:
            wait_s = self._wait_s(least, now_us)
            reason = f"the budget of {self._weight_limit} a minute is spent for {wait_s:.0f} s"
            return Lease(0, wait_s, reason)
        self._spend(granted, now_us)
        return Lease(granted)

    def give_back(self, weight: int) -> None:
        """Take back what was leased last and not spent."""
        while weight > 0 and self._spent:
            second, spent = self._spent.pop()
            back = min(weight, spent)
            weight -= back
            self._total -= back
            if spent > back:
                self._spent.append((second, spent - back))

    def count(self, used: int, now_us: int) -> None:
        """Take the venue's own count of this minute: what is more than ours, others have spent."""
        self._forget(now_us)
        if used > self._total:
            self._spend(used - self._total, now_us)

    def close(self, until_us: int, reason: str) -> None:
        """Take it that the venue wants no requests before a time."""
        if self._ban is None or until_us > self._ban.until_us:
            self._ban = Ban(until_us, reason)

    def ban(self, now_us: int) -> Ban | None:
        """Return what keeps requests back now."""
        return self._ban if self._ban is not None and self._ban.until_us > now_us else None

    def dial_wait_s(self, now_us: int) -> float:
        """Return 0, and count an attempt to connect; or how long to wait before asking again."""
        self._forget(now_us)
        if len(self._dialed_us) >= self._connections_limit:
            return (self._dialed_us[0] + _CONNECTIONS_US - now_us) / SECOND
        self._dialed_us.append(now_us)
        return 0.0

    def spending(self, now_us: int) -> Spending:
        """Return how much is used."""
        self._forget(now_us)
        return Spending(
            self._total,
            self._weight_limit,
            len(self._dialed_us),
            self._connections_limit,
            self.ban(now_us),
        )

    def _spend(self, weight: int, now_us: int) -> None:
        second = now_us // SECOND
        if self._spent and self._spent[-1][0] == second:
            weight_before = self._spent.pop()[1]
            self._spent.append((second, weight_before + weight))
        else:
            self._spent.append((second, weight))
        self._total += weight

    def _forget(self, now_us: int) -> None:
        while self._spent and now_us >= _gone_us(self._spent[0][0]):
            self._total -= self._spent.popleft()[1]
        while self._dialed_us and now_us >= self._dialed_us[0] + _CONNECTIONS_US:
            self._dialed_us.popleft()

    def _wait_s(self, least: int, now_us: int) -> float:
        """Return when enough of what was spent is gone."""
        missing = least - (self._weight_limit - self._total)
        for second, weight in self._spent:
            missing -= weight
            if missing <= 0:
                return (_gone_us(second) - now_us) / SECOND
        return MINUTE / SECOND


def _gone_us(second: int) -> int:
    """Return when a minute has passed since the last use of what was leased in a second."""
    return (second + 1) * SECOND + MINUTE + round(LEASE_S * SECOND)
