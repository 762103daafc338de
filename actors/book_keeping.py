"""The thread that keeps a shard's order books, apart from that of the trades."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.snapshots import Snapshots
from pipeline.books import Books
from pipeline.durations import SECOND
from pipeline.venues.rows import Rejection, rejected_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl

    from actors.feed import Feed
    from actors.frame_buffer import Batch, FrameBuffer
    from actors.rest import RestClient
    from pipeline.books import BookState
    from pipeline.orderbook import Change, Snapshot
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)

#: Messages about books that wait; beyond it the newest are dropped, and their books made anew.
ROOM = 20_000

#: Between two looks at the room.
_EVERY_S = 0.25

#: What was told so long ago is not told any more: its thread does not keep up.
_LATE_US = 2 * SECOND

#: Rejected messages that wait to be told; beyond it the oldest are not.
_REJECTIONS = 1_000

#: Between two requests on one connection, which takes few messages a second.
_MESSAGES_EVERY_US = SECOND

#: Names in a message.
_ASKED_AT_ONCE = 100

#: The ids of requests: those of the connections' care stay below.
_FIRST_REQUEST_ID = 1_000_000


class BookKeeping:
    """Takes messages about books off the feed's connections, and keeps the books.

    Its thread alone owns them. Other threads read what it told last, and never wait for it.

    Args:
        venue: Parses; made with the levels that are wanted.
        symbols: Of the shard.
        feed: Whose connections these are.
        room: What they delivered.
        rest: Asks for snapshots.
        levels: Of each side that the imbalance is of.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: tuple[str, ...],
        feed: Feed,
        room: FrameBuffer,
        rest: RestClient,
        *,
        levels: int,
    ) -> None:
        self._venue = venue
        self._feed = feed
        self._room = room
        self._streamed = venue.snapshot_request(symbols[0]) is None
        self._books = Books(symbols, venue.new_book, levels, streamed=self._streamed)
        self._snapshots = None if self._streamed else Snapshots(venue, rest)
        self._lock = threading.Lock()  # for what traded; held for a moment
        self._traded: set[str] = set()
        self._told = self._books.states(0), _now_us()  # at once: others read it at any moment
        self._lines: list[int] = []
        self._noticed = 0
        self._request_id = _FIRST_REQUEST_ID
        self._messages_due_us = 0
        self._rejections: deque[tuple[Rejection, bytes, int]] = deque(maxlen=_REJECTIONS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="books", daemon=True)

    def start(self) -> None:
        """Start to keep them."""
        if self._snapshots is not None:
            self._snapshots.start()
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop; returns when its thread has ended, or could not for too long."""
        self._stopping.set()
        if self._snapshots is not None:
            self._snapshots.stop()
        self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether its threads run."""
        return self._thread.is_alive() and (self._snapshots is None or self._snapshots.alive)

    def traded(self, symbols: Iterable[str]) -> None:
        """Take it that some markets traded."""
        with self._lock:
            self._traded.update(symbols)

    def states(self) -> Mapping[str, BookState]:
        """Return what is to be told of every book: no prices if they may be old."""
        told, told_us = self._told
        if _now_us() - told_us < _LATE_US:
            return told
        return {
            symbol: replace(state, bid=None, ask=None, imbalance=None)
            for symbol, state in told.items()
        }

    def rejected(self) -> pl.DataFrame:
        """Take out REJECTED: the messages that could not be read."""
        taken = [self._rejections.popleft() for _ in range(len(self._rejections))]
        return rejected_frame(
            [(place, rejection) for place, (rejection, _, _) in enumerate(taken)],
            [message for _, message, _ in taken],
            [receive_us for _, _, receive_us in taken],
        )

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self._step()

    def _step(self) -> None:
        status = self._feed.status()
        lines = [leg.line for leg in (status.current, status.successor) if leg is not None]
        # Before the drain: what was dropped by now came after all that will be drained.
        dropped = self._room.dropped
        batches = self._room.drain()
        with self._lock:
            traded, self._traded = self._traded, set()
        if self._snapshots is not None and lines != self._lines:
            self._snapshots.forget()  # an answer is no start for a connection opened since
        self._lines = lines
        now_us = _now_us()
        current = None if status.current is None else status.current.line
        self._books.connect(lines, current, now_us)
        for batch in batches:
            self._take(batch, now_us)
        if dropped > self._noticed:
            logger.warning("book messages dropped=%d", dropped - self._noticed)
            self._noticed = dropped
            self._books.doubt(None, now_us)
        if self._snapshots is not None:
            for snapshot in self._snapshots.found():
                self._books.start(snapshot, now_us)
        self._books.traded(traded, now_us)
        self._books.renew(now_us)
        self._ask(now_us)
        self._told = self._books.states(self._noticed), now_us

    def _take(self, batch: Batch, now_us: int) -> None:
        events: list[Snapshot | Change] = []
        for message, receive_us in zip(batch.messages, batch.receive_us, strict=True):
            found = self._venue.parse_book(message)
            if isinstance(found, Rejection):
                self._rejections.append((found, message, receive_us))
                # In order: what came before it says nothing of what it said.
                self._books.take(batch.line, events, now_us)
                events = []
                self._books.doubt(None if found.symbol is None else [found.symbol], now_us)
            else:
                events += found
        self._books.take(batch.line, events, now_us)

    def _ask(self, now_us: int) -> None:
        """Ask for the snapshots that are due, over REST or by a fresh subscription."""
        for line, wanted in self._books.wanting(now_us).items():
            if self._snapshots is None:
                asked = self._subscribe(line, wanted, now_us)
            else:
                silent = self._books.silent(line, wanted)
                again = self._subscribe(line, silent, now_us)
                # A snapshot is no use to a book whose changes are not subscribed to.
                asked = [one for one in wanted if one in again or one not in silent]
                self._snapshots.ask(asked)
            self._books.asked(line, asked, now_us)

    def _subscribe(self, line: int, symbols: list[str], now_us: int) -> list[str]:
        """Ask anew for some books, as many as go; return which."""
        if not symbols or now_us < self._messages_due_us:
            return []
        self._messages_due_us = now_us + _MESSAGES_EVERY_US
        for message in self._venue.book_messages(symbols[:_ASKED_AT_ONCE], self._request_id):
            self._feed.send(line, message)
        self._request_id += 2
        return symbols[:_ASKED_AT_ONCE]


def _now_us() -> int:
    return time.monotonic_ns() // 1_000
