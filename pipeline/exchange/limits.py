"""What the exchange takes from its clients, and the counts that say when it is too much."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pipeline.durations import DAY, MINUTE, SECOND

#: Attempts to connect are counted for so long.
ATTEMPTS_US = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do; what Binance documents where nothing else is said.

    Attributes:
        messages_per_s: A client may send on one connection, pings and pongs included.
        attempts: To connect, of an address in ATTEMPTS_US.
        ping_every_us: Between two pings to a client.
        pong_timeout_us: How long a ping may go unanswered.
        connection_life_us: How long a connection may last.
    """

    messages_per_s: int = 5
    attempts: int = 300
    ping_every_us: int = 20 * SECOND
    pong_timeout_us: int = MINUTE
    connection_life_us: int = DAY


DOCUMENTED = Limits()


class Counts:
    """Counts by address in periods of the clock; all go when the next period begins."""

    def __init__(self, period_us: int) -> None:
        self._period_us = period_us
        self._period = -1
        self._counted: dict[str, int] = {}

    def add(self, address: str, amount: int, now_us: int) -> int:
        """Count for an address, and return its count of this period."""
        period = now_us // self._period_us
        if period != self._period:
            self._period = period
            self._counted.clear()
        counted = self._counted.get(address, 0) + amount
        self._counted[address] = counted
        return counted

    def left_s(self, now_us: int) -> int:
        """Return how long this period still lasts, rounded up."""
        return -(-(self._period_us - now_us % self._period_us) // SECOND)


class MessageRate:
    """The messages that came on one connection: at most so many in any second."""

    def __init__(self, messages_per_s: int) -> None:
        self._newest_us: deque[int] = deque(maxlen=messages_per_s)

    def take(self, now_us: int) -> bool:
        """Count a message; return whether it is within the limit."""
        newest = self._newest_us
        within = len(newest) != newest.maxlen or now_us - newest[0] >= SECOND
        newest.append(now_us)
        return within
