"""Order books kept here by a venue's rules, each proven by what the venue sends with it.

Two rules are known. Numbered changes on top of a snapshot from elsewhere (`NumberedBook`, Binance):
a number that is missing is a gap. And a snapshot and changes in one stream, each with a checksum of
the best levels (`ChecksumBook`, Kraken): another checksum is a mismatch. After either the book is
empty, says so, and waits for a snapshot. Prices and sizes are decimals with the digits as sent.

Changes that waited are applied together, which is exact under either rule. Numbered ones become one
change with the last size of each price. Where a book ends at a depth that is not allowed: a price
that a change pushed out, and that was cancelled there unseen, would be back when the way is free
again. So each is applied, and what is spared is the checksums but the last.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from pipeline.book_side import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.book_side import Level


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole book, or its best levels.

    Attributes:
        symbol: The market.
        bids: In any order.
        asks: Likewise.
        last_id: Of the last change in it, where changes are numbered.
        checksum: Of its best levels, where they have one.
    """

    symbol: str
    bids: Sequence[Level]
    asks: Sequence[Level]
    last_id: int | None = None
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Levels that changed, to be taken in their order.

    Attributes:
        symbol: The market.
        bids: The new sizes at their prices.
        asks: Likewise.
        first_id: Of the changes in it, where they are numbered; both ends inclusive.
        last_id: Likewise.
        checksum: Of the best levels afterwards, where they have one.
    """

    symbol: str
    bids: Sequence[Level]
    asks: Sequence[Level]
    first_id: int | None = None
    last_id: int | None = None
    checksum: int | None = None


class Outcome(Enum):
    """What an event did to a book."""

    APPLIED = "applied"
    COALESCED = "coalesced"  # taken together with the change that follows it
    IGNORED = "ignored"  # known already, or of no use before a snapshot
    KEPT = "kept"  # for the snapshot that is to come
    TOO_OLD = "too old"  # a snapshot from before what is kept: ask for another
    GAP = "gap"  # changes are missing: a snapshot is needed
    MISMATCH = "mismatch"  # another checksum: a snapshot is needed


class OrderBook(Protocol):
    """A book that follows a venue's rule; empty while it is not `synced`."""

    bids: Side
    asks: Side

    #: So many levels of each side are proven by the next change; null for all there are.
    proven_levels: int | None

    @property
    def synced(self) -> bool:
        """Whether it is what the venue has; else it waits for a snapshot."""

    def apply(self, event: Snapshot | Change) -> Outcome:
        """Take what the venue sent, in the order in which it did."""

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        """Take changes that waited, in their order: in the end as if each had been applied.

        Returns:
            An outcome a change, `COALESCED` for those that were taken together with the next.
        """

    def knows(self, count: int) -> bool:
        """Whether the best `count` levels of each side, or all there are, are known."""

    def forget(self) -> None:
        """Be empty, and wait for a snapshot."""


class ChecksumBook:
    """Snapshot and changes in one stream, proven by a checksum over the best levels.

    Args:
        depth: Levels of each side that were subscribed to: the venue does not remove others.
        checksum: Of asks and bids, both best first.
    """

    #: Levels of each side that a checksum is over.
    CHECKED = 10

    def __init__(
        self, depth: int, checksum: Callable[[Sequence[Level], Sequence[Level]], int]
    ) -> None:
        self.proven_levels: int | None = self.CHECKED
        self._depth = depth
        self._checksum = checksum
        self.bids, self.asks = Side(highest_first=True), Side(highest_first=False)
        self.synced = False

    def apply(self, event: Snapshot | Change) -> Outcome:
        """Take an event: see `OrderBook`."""
        if isinstance(event, Snapshot):
            self.forget()
        elif not self.synced:
            return Outcome.IGNORED
        self._take(event)
        return self._check(event)

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        """Take changes that waited; only the last checksum is looked at."""
        if not self.synced:
            return [Outcome.IGNORED] * len(changes)
        for change in changes:
            self._take(change)
        return [Outcome.COALESCED] * (len(changes) - 1) + [self._check(changes[-1])]

    def knows(self, count: int) -> bool:
        """Whether the best `count` levels of each side are known: those of the subscription are."""
        return count <= self._depth

    def forget(self) -> None:
        """Be empty, and wait for a snapshot."""
        self.synced = False
        self.bids.clear()
        self.asks.clear()

    def _take(self, event: Snapshot | Change) -> None:
        for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            side.take(levels)
            side.truncate(self._depth)

    def _check(self, event: Snapshot | Change) -> Outcome:
        if event.checksum is not None and event.checksum != self._checksum(
            self.asks.best(self.CHECKED), self.bids.best(self.CHECKED)
        ):
            self.forget()
            return Outcome.MISMATCH
        self.synced = True
        return Outcome.APPLIED


class NumberedBook:
    """Numbered changes on top of a snapshot that is fetched elsewhere.

    Changes are kept until a snapshot comes; then those that it has are dropped, and the others
    applied. Levels behind those of the snapshot are not known, whatever changes there: a side of
    which too many were taken does not know its best ones any more, and says so.

    Args:
        max_kept: Changes that wait for a snapshot; when there are more the oldest leaves, so that
            only a later snapshot will do.
        depth: Levels of each side that a snapshot has at most. Twice as many are held; beyond that
            those behind the best `depth` are forgotten.
    """

    def __init__(self, max_kept: int = 10_000, depth: int = 5_000) -> None:
        self.proven_levels: int | None = None
        self._depth = depth
        self.bids, self.asks = Side(highest_first=True), Side(highest_first=False)
        self.last_id: int | None = None
        self._kept: deque[Change] = deque(maxlen=max_kept)

    @property
    def synced(self) -> bool:
        """Whether it is what the venue has; else it waits for a snapshot."""
        return self.last_id is not None

    def apply(self, event: Snapshot | Change) -> Outcome:
        """Take an event: see `OrderBook`. All of them are numbered."""
        return self._start(event) if isinstance(event, Snapshot) else self._change(event)

    def apply_all(self, changes: Sequence[Change]) -> list[Outcome]:
        """Take changes that waited: those that follow each other as one."""
        outcomes: list[Outcome] = []
        for run in _runs(changes):
            outcomes += [Outcome.COALESCED] * (len(run) - 1) + [self._change(_merged(run))]
        return outcomes

    def knows(self, count: int) -> bool:
        """Whether the best `count` levels of each side, or all there are, are known."""
        return self.bids.knows(count) and self.asks.knows(count)

    def forget(self) -> None:
        """Be empty, and wait for a snapshot."""
        self.last_id = None
        self.bids.clear()
        self.asks.clear()

    def _start(self, snapshot: Snapshot) -> Outcome:
        """Begin anew with a snapshot and what was kept for it."""
        last_id = _number(snapshot.last_id)
        kept = [change for change in self._kept if _number(change.last_id) > last_id]
        if kept and _number(kept[0].first_id) > last_id + 1:
            return Outcome.TOO_OLD
        self._kept.clear()
        for side, levels in ((self.bids, snapshot.bids), (self.asks, snapshot.asks)):
            side.clear()
            side.take(levels)
            side.bound(self._depth)
        self.last_id = last_id
        outcomes = [self._change(change) for change in kept]
        return Outcome.GAP if Outcome.GAP in outcomes else Outcome.APPLIED

    def _change(self, change: Change) -> Outcome:
        first_id, last_id = _number(change.first_id), _number(change.last_id)
        if self.last_id is None:
            self._kept.append(change)
            return Outcome.KEPT
        if last_id <= self.last_id:
            return Outcome.IGNORED
        if first_id > self.last_id + 1:
            self.forget()
            self._kept.append(change)
            return Outcome.GAP
        for side, levels in ((self.bids, change.bids), (self.asks, change.asks)):
            side.take(levels)
            if len(side) > 2 * self._depth:
                side.bound(self._depth)
        self.last_id = last_id
        return Outcome.APPLIED


def _runs(changes: Sequence[Change]) -> list[list[Change]]:
    """Return numbered changes in runs, within each of which every one goes on from those before."""
    runs: list[list[Change]] = []
    last_id = -1
    for change in changes:
        follows = _number(change.first_id) <= last_id + 1 and _number(change.last_id) > last_id
        if runs and follows:
            runs[-1].append(change)
        else:
            runs.append([change])
        last_id = _number(change.last_id)
    return runs


def _merged(run: Sequence[Change]) -> Change:
    """Return what changes in a row do as one: the last size at each price stands."""
    if len(run) == 1:
        return run[0]
    bids = {level[0]: level for change in run for level in change.bids}
    asks = {level[0]: level for change in run for level in change.asks}
    return Change(
        run[0].symbol,
        tuple(bids.values()),
        tuple(asks.values()),
        first_id=run[0].first_id,
        last_id=run[-1].last_id,
    )


def _number(number: int | None) -> int:
    """Return the number of a change, which a venue of numbered changes always sends."""
    if number is None:
        raise ValueError("expected numbered changes, found one without a number")
    return number
