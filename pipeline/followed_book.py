"""An order book on one connection: whether to believe it, and when to ask for a snapshot.

A book is *synced* while every change since its snapshot is in it. It is proven by each change: its
number follows, or its checksum agrees. What may have been missed since the last one is a doubt, and
a book in doubt is not told. A market that trades changes its book; so one that says nothing for 5 s
after a trade has lost its stream, and is made anew. One that says nothing at all is made anew after
a minute, then after two, up to an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.durations import HOUR, MINUTE, SECOND
from pipeline.orderbook import Change, Outcome, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.orderbook import OrderBook

#: Between two requests for a snapshot of one book; it doubles, and starts over after a calm.
_FIRST_WAIT_US = SECOND
_LAST_WAIT_US = MINUTE

#: A change has so long to follow a trade, or whatever else it is awaited for.
ANSWER_US = 5 * SECOND

#: A change and the trade that made it are read no further apart.
_NEAR_US = SECOND

_FIRST_PATIENCE_US = MINUTE
_LAST_PATIENCE_US = HOUR


@dataclass(slots=True)
class BookCounts:
    """What a book has had, on all connections together.

    Attributes:
        updates: Snapshots and changes that the stream brought.
        coalesced: Changes among them that were applied together with the next one.
        resyncs: How often it had been synced, and had to be made anew.
    """

    updates: int = 0
    coalesced: int = 0
    resyncs: int = 0


class FollowedBook:
    """Follows what a connection says about one book.

    Times are microseconds of a clock that only moves forward.

    Args:
        book: An empty one.
        levels: Of each side that have to be known.
        counts: Of its symbol, to add to.
        now_us: When the connection began.
        due_us: When to ask for the first snapshot.

    Attributes:
        book: Itself.
        silent: It was given up because it said nothing: the subscription may be gone.
        due_us: No snapshot is asked for before.
    """

    def __init__(
        self, book: OrderBook, levels: int, counts: BookCounts, *, now_us: int, due_us: int
    ) -> None:
        self.book = book
        self.silent = False
        self._levels = levels
        self._counts = counts
        self._heard_us = now_us
        self.due_us = due_us
        self._wait_us = _FIRST_WAIT_US
        self._awaited_us: int | None = None
        self._doubted = False
        self._patience_us = _FIRST_PATIENCE_US

    @property
    def believed(self) -> bool:
        """Whether it is what the venue has, as far as can be known."""
        return self.book.synced and not self._doubted

    def take(self, events: Sequence[Snapshot | Change], now_us: int) -> None:
        """Take what the stream brought, in order; changes in a row are taken together."""
        self._counts.updates += len(events)
        for kind, same in groupby(events, type):
            was_synced, run = self.book.synced, list(same)
            outcomes = (
                self.book.apply_all([event for event in run if isinstance(event, Change)])
                if kind is Change
                else [self.book.apply(event) for event in run]
            )
            self._counts.coalesced += outcomes.count(Outcome.COALESCED)
            if outcomes[-1] is Outcome.APPLIED:
                self._patience_us = _FIRST_PATIENCE_US
                self._hear(now_us)
            if was_synced and not self.book.synced:
                self._lose(now_us)

    def start(self, snapshot: Snapshot, now_us: int) -> None:
        """Take a snapshot that was asked for; it is of no use to a book that is synced."""
        if self.book.synced or self.book.apply(snapshot) is not Outcome.APPLIED:
            return
        doubted = self._doubted  # what was missed may be later than the snapshot
        self._hear(now_us)
        if doubted:
            self.doubt(now_us)

    def doubt(self, now_us: int) -> None:
        """Take it that a change may have been missed: the next one tells, if it proves enough."""
        proven = self.book.proven_levels
        if self.book.synced and proven is not None and proven < self._levels:
            self.book.forget()
            self._lose(now_us)
            return
        self._doubted = True
        self._await(now_us)

    def traded(self, now_us: int) -> None:
        """Take it that the market traded: a change follows, if it did not come first."""
        if now_us - self._heard_us >= _NEAR_US:
            self._await(now_us)

    def renew(self, now_us: int) -> None:
        """Give it up if it is silent for too long, or if too few of its levels are known."""
        if not self.book.synced:
            return
        unanswered = self._awaited_us is not None and now_us - self._awaited_us >= ANSWER_US
        idle = now_us - self._heard_us >= self._patience_us
        if idle:
            self._patience_us = min(2 * self._patience_us, _LAST_PATIENCE_US)
        self.silent |= unanswered or idle
        if self.silent or not (
            self.book.bids.knows(self._levels) and self.book.asks.knows(self._levels)
        ):
            self.book.forget()
            self._lose(now_us)

    def wants(self, now_us: int) -> bool:
        """Return whether to ask for a snapshot now."""
        return not self.book.synced and now_us >= self.due_us

    def asked(self, now_us: int) -> None:
        """Take it that a snapshot was asked for: not again before a wait, that doubles."""
        self.due_us = now_us + self._wait_us
        self._wait_us = min(2 * self._wait_us, _LAST_WAIT_US)

    def _hear(self, now_us: int) -> None:
        self._heard_us = now_us
        if self._wait_us == _FIRST_WAIT_US:  # it came unasked, and needs no more time to come
            self.due_us = min(self.due_us, now_us)
        self._awaited_us = None
        self._doubted = self.silent = False

    def _await(self, now_us: int) -> None:
        if self._awaited_us is None:
            self._awaited_us = now_us

    def _lose(self, now_us: int) -> None:
        self._counts.resyncs += 1
        if now_us - self.due_us > _LAST_WAIT_US:
            self._wait_us = _FIRST_WAIT_US
        self.due_us = max(self.due_us, now_us)
        self._awaited_us, self._doubted = None, False
