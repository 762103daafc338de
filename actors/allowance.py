"""A process's part of the budget: leased in pieces, so that most requests ask nobody."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from actors.budget import BudgetKeeper
from pipeline.budget import LEASE_S
from pipeline.errors import VenueDisconnected
from pipeline.venues.protocol import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.budget import BudgetPort

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: Ten pages of trades.
_PIECE = 40

#: What a process that cannot ask takes of everything: twenty of them would use all of it.
_ALONE = 20

#: How long it goes on alone before it asks again.
_ALONE_S = 5.0

_UNLIMITED = Limits(weight=1_000_000_000, connections=1_000_000, messages=5)


class Allowance:
    """Asks for leave to send requests and to connect, from any thread.

    When the budget's actor does not answer, the process goes on alone with a twentieth of the
    limits, and with every ban it knows of.

    Args:
        port: Whom to ask; null: there is no limit but what the venue says.
        limits: What the venue takes.
        used_weight: Reads the venue's own count from the headers of an answer.
    """

    def __init__(
        self,
        port: BudgetPort | None = None,
        limits: Limits = _UNLIMITED,
        used_weight: Callable[[Mapping[str, str]], int | None] = lambda _: None,
    ) -> None:
        self._port = BudgetKeeper(limits) if port is None else port
        self._alone = BudgetKeeper(
            Limits(limits.weight // _ALONE, limits.connections // _ALONE, limits.messages)
        )
        self._alone_until_s = 0.0
        self._used_weight = used_weight
        self._lock = threading.Lock()
        self._left = 0
        self._left_until_s = 0.0
        self._used: int | None = None

    def spend(self, weight: int) -> None:
        """Take the weight of one request.

        Raises:
            VenueDisconnected: It must not be sent now, and why.
        """
        with self._lock:
            if self._left < weight or time.monotonic() >= self._left_until_s:
                self._renew(weight)
            self._left -= weight

    def answered(self, headers: Mapping[str, str]) -> None:
        """Take the headers of an answer, names in lower case."""
        used = self._used_weight(headers)
        if used is not None:
            with self._lock:
                self._used = used

    def limited(self, seconds: float, reason: str) -> None:
        """Take it that the venue wants no requests for so long."""
        with self._lock:
            self._left = 0
            self._alone.close(seconds, reason)
            self._ask(lambda port: port.close(seconds, reason))

    def dial_wait_s(self) -> float:
        """Return 0, and count an attempt to connect; or how long to wait before asking again."""
        with self._lock:
            return self._ask(lambda port: port.dial_wait_s())

    def _renew(self, least: int) -> None:
        unspent, used = self._left, self._used
        self._left, self._used = 0, None
        lease = self._ask(
            lambda port: port.lease(max(_PIECE, least), least, unspent=unspent, used=used)
        )
        if lease.ban is not None:
            self._alone.close(lease.wait_s, lease.ban.reason)
        if lease.weight < least:
            raise VenueDisconnected(f"not sent, {lease.reason}")
        self._left = lease.weight
        self._left_until_s = time.monotonic() + LEASE_S

    def _ask(self, call: Callable[[BudgetPort], Answer]) -> Answer:
        if time.monotonic() >= self._alone_until_s:
            try:
                return call(self._port)
            except ConnectionError as error:
                logger.warning("no budget: going on alone with a twentieth of it: %s", error)
                self._alone_until_s = time.monotonic() + _ALONE_S
        return call(self._alone)
