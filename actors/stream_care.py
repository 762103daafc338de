"""What the thread that parses does for the connections it parses: audits, checks, handovers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import polars as pl

from pipeline.connection_watch import ConnectionWatch
from pipeline.durations import MINUTE, SECOND
from pipeline.staleness import Gaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.catch_up import CatchUp
    from actors.feed import Feed, Leg
    from pipeline.venues.protocol import Parsed, Venue

#: Two connections overlap at least so long.
_OVERLAP_US = 2 * SECOND

#: A successor that is not proven by then is tried anew.
_PROOF_TIMEOUT_US = MINUTE

#: Between two connections that were replaced for single streams; it doubles.
_FIRST_REPLACEMENT_US = MINUTE
_LAST_REPLACEMENT_US = 60 * MINUTE


class StreamCare:
    """Keeps the connections of a feed fit; it belongs to one thread.

    A successor takes over when it is proven: an audit found every subscription on it, and after
    that the newest ids over REST were compared with what is known here. Each trade is then either
    known by its id or still to come on the successor, whatever the older connection did.

    Args:
        venue: Speaks on the connections.
        symbols: That each should carry.
        feed: Whose connections these are.
        catch_up: Asks over REST.
    """

    def __init__(self, venue: Venue, symbols: Sequence[str], feed: Feed, catch_up: CatchUp) -> None:
        self._venue = venue
        self._symbols = symbols
        self._places = pl.Enum(symbols)
        self._feed = feed
        self._catch_up = catch_up
        self._gaps = Gaps(len(symbols) + 1)
        self._watches: dict[int, ConnectionWatch] = {}
        self._current: int | None = None
        self._successor: int | None = None
        #: The verification that a successor waits for: its line and the number of the request.
        self._awaited: tuple[int, int] | None = None
        self._replace_due_us = 0
        self._replace_wait_us = _FIRST_REPLACEMENT_US

    def begin(self) -> None:
        """Look which connections there are, before what they delivered is taken."""
        status = self._feed.status()
        watches = {}
        for leg in (status.current, status.successor):
            if leg is not None:
                watches[leg.line] = self._watches.get(leg.line) or self._watch(leg)
        self._watches = watches
        self._current = None if status.current is None else status.current.line
        self._successor = None if status.successor is None else status.successor.line

    def counts(self, line: int) -> bool:
        """Return whether the times of a connection's trades tell how far the venue has come.

        A successor may be ahead of what the current connection still has to deliver.
        """
        return self._successor is None or line < self._successor

    def take(self, line: int, parsed: Parsed) -> None:
        """Take what a connection delivered."""
        if parsed.closing:
            self._replace(line, "the venue announced that it will close")
        watch = self._watches.get(line)
        if watch is None:
            return
        now_us = _now_us()
        if parsed.data:
            places = parsed.trades["symbol"].cast(self._places, strict=False)
            asked = places.is_not_null()
            watch.hear(
                places.filter(asked).to_physical().cast(pl.Int64).to_numpy(),
                parsed.trades["receive_time"].filter(asked).to_physical().to_numpy(),
                learn=line == self._current,
            )
        else:
            watch.lives(now_us)
        for audit in parsed.audits:
            watch.audited(audit, now_us)

    def overheard(self) -> None:
        """Take it that messages were dropped unread."""
        for watch in self._watches.values():
            watch.overheard()

    def tend(self) -> None:
        """Do what is to be done, with everything taken that has arrived."""
        now_us = _now_us()
        for line, watch in self._watches.items():
            orders = watch.step(now_us)
            for message in orders.messages:
                self._feed.send(line, message)
            if orders.dead is not None:
                self._feed.reconnect(line, orders.dead)
            elif orders.unfit is not None and now_us >= self._replace_due_us:
                self._replace_due_us = now_us + self._replace_wait_us
                self._replace_wait_us = min(2 * self._replace_wait_us, _LAST_REPLACEMENT_US)
                self._replace(line, orders.unfit)
            if orders.checks and line == self._current:
                self._catch_up.check(orders.checks)
        self._hand_over(now_us)

    def checked(self, symbol: str, *, behind: bool) -> None:
        """Take whether REST shows a trade of a symbol that the stream had not told."""
        watch = None if self._current is None else self._watches.get(self._current)
        if watch is not None:
            watch.checked(symbol, _now_us(), behind=behind)

    def verified(self, request: int) -> None:
        """Take it that the newest ids over REST were compared, for this request or a later one."""
        if self._awaited is not None and request >= self._awaited[1]:
            self._feed.promote(self._awaited[0])
            self._awaited = None

    def doubts(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the symbols that are unusually silent, and those of which REST knows more."""
        watch = None if self._current is None else self._watches.get(self._current)
        if watch is None:
            return frozenset(), frozenset()
        unusual, behind = (
            frozenset(symbol for symbol, is_one in zip(self._symbols, mask, strict=True) if is_one)
            for mask in watch.doubts(_now_us())
        )
        return unusual, behind

    @property
    def suspect(self) -> bool:
        """Whether the current connection is so silent that trades may be lost on it."""
        watch = None if self._current is None else self._watches.get(self._current)
        return watch is not None and watch.suspect(_now_us())

    def _hand_over(self, now_us: int) -> None:
        """Have a successor verified once it is proven; give up one that never is."""
        if self._successor is None or self._current is None:
            self._awaited = None
            return
        if self._awaited is not None and self._awaited[0] == self._successor:
            return
        successor, current = self._watches[self._successor], self._watches[self._current]
        age_us = now_us - successor.opened_us
        if age_us >= _OVERLAP_US and successor.proven(now_us, current):
            self._awaited = self._successor, self._catch_up.verify_again()
        elif age_us >= _PROOF_TIMEOUT_US:
            self._feed.reconnect(self._successor, "not proven within a minute")

    def _replace(self, line: int, reason: str) -> None:
        if line == self._successor:
            self._feed.reconnect(line, reason)
        else:
            self._feed.replace(line, reason)

    def _watch(self, leg: Leg) -> ConnectionWatch:
        return ConnectionWatch(self._venue, self._symbols, self._gaps, leg.opened_us)


def _now_us() -> int:
    return time.time_ns() // 1000
