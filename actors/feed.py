"""A feed that is kept open: another connection is opened before one that will end is dropped."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.line import Line, LineOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.frame_buffer import Sink
    from pipeline.backoff import Backoff
    from pipeline.venues.protocol import Connection

logger = logging.getLogger(__name__)

_TICK_S = 0.25
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Leg:
    """An open connection of a feed.

    Attributes:
        line: The tag of its messages in the buffer.
        opened_us: When it was opened, on the clock that stamps messages.
    """

    line: int
    opened_us: int


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What is known about a feed.

    Attributes:
        connected: A connection is open and everything it has to send on open is sent.
        generation: How often trades may have been missed since the start: one more with each
            connection that was opened when there was none, or when the one before was lost.
        silent_s: Since the last frame of any kind, pings included, or since the feed was made.
        last_error: Why the newest connection ended or could not be opened, even when the feed is
            connected again; None when that never happened.
        current: The connection whose trades count; null while there is none.
        successor: One that was opened to take its place; null while there is none.
        handovers: How many connections took the place of another before that was dropped.
    """

    connected: bool
    generation: int
    silent_s: float
    last_error: str | None
    current: Leg | None = None
    successor: Leg | None = None
    handovers: int = 0

    @property
    def reconnects(self) -> int:
        """How many connections were opened in place of a lost one."""
        return max(0, self.generation - 1)


class Feed:
    """Keeps a connection open on a thread of its own, from `start` to `stop`.

    A connection that is to be replaced stays the current one until another is open and `promote`
    says that it is proven. If it ends before, the other takes its place unproven, and `generation`
    says so.

    Args:
        connection: What to dial, and what to send on every open.
        buffer: Where the messages of all its connections go.
        name: Of the thread, and in the log.
        backoff: How long to wait between attempts.
        may_dial: Asks for one attempt; returns 0, or how many seconds to wait before asking again.
        life_s: A connection is replaced after so long; null: it may live for as long as it can.
        options: How each connection is held.
    """

    def __init__(
        self,
        connection: Connection,
        buffer: Sink,
        *,
        name: str,
        backoff: Backoff,
        may_dial: Callable[[], float],
        life_s: float | None = None,
        options: LineOptions | None = None,
    ) -> None:
        self._connection = connection
        self._buffer = buffer
        self._name = name
        self._backoff = backoff
        self._may_dial = may_dial
        self._life_s = life_s
        self._options = LineOptions() if options is None else options
        self._thread = threading.Thread(target=self._run, name=f"feed-{name}", daemon=True)
        self._stopping = threading.Event()
        self._changed = threading.Event()
        # Held while the connections change places; not while anything waits.
        self._lock = threading.Lock()
        self._dialed = 0
        self._current: Line | None = None
        self._next: Line | None = None
        self._retired: list[Line] = []
        self._replacing: str | None = None
        self._due_s = 0.0
        self._generation = 0
        self._handovers = 0
        self._last_frame_s = time.monotonic()
        self._last_error: str | None = None

    def start(self) -> None:
        """Start dialing; returns at once."""
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    @property
    def alive(self) -> bool:
        """Whether its thread runs, connected or not."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End all connections and the thread; returns when it ended, or could not for too long."""
        self._stopping.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def reconnect(self, line: int, reason: str) -> None:
        """Drop a connection at once; if it is the current one, trades may be missed."""
        with self._lock:
            for one in (self._current, self._next):
                if one is not None and one.number == line:
                    one.end(reason)

    def replace(self, line: int, reason: str) -> None:
        """Open another connection in place of one, which goes on until then."""
        with self._lock:
            if self._current is not None and self._current.number == line:
                self._ask_for_another(reason)
        self._changed.set()

    def promote(self, line: int) -> None:
        """Make a proven successor the current connection, and drop the one before it."""
        with self._lock:
            if self._next is None or self._next.number != line or not self._next.open:
                return
            if self._current is not None:
                self._retire(self._current, f"replaced: {self._replacing}")
                self._handovers += 1
            self._current, self._next, self._replacing = self._next, None, None
        logger.info("feed handed over name=%s line=%d", self._name, line)

    def send(self, line: int, message: str) -> None:
        """Send a message on a connection, as soon as the venue allows it."""
        with self._lock:
            for one in (self._current, self._next):
                if one is not None and one.number == line:
                    one.send_soon(message)

    def status(self) -> FeedStatus:
        """Return what is known now."""
        with self._lock:
            self._settle()
            current, successor = self._current, self._next
            if current is not None:
                self._last_frame_s = current.last_frame_s
            return FeedStatus(
                connected=current is not None and current.open,
                generation=self._generation,
                silent_s=time.monotonic() - self._last_frame_s,
                last_error=self._last_error,
                current=_leg(current),
                successor=_leg(successor),
                handovers=self._handovers,
            )

    def _run(self) -> None:
        self._due_s = time.monotonic() + self._backoff.next_wait_s(lived_s=0.0)
        while not self._stopping.is_set():
            with self._lock:
                self._settle()
                wanted = self._wants_another()
            if wanted and time.monotonic() >= self._due_s:
                self._dial()
            self._changed.wait(self._rest_s(wanted=wanted))
            self._changed.clear()
        self._end_all()

    def _rest_s(self, *, wanted: bool) -> float:
        left_s = self._due_s - time.monotonic()
        return min(_TICK_S, left_s) if wanted and left_s > 0 else _TICK_S

    def _wants_another(self) -> bool:
        current = self._current
        if current is not None and self._life_s is not None and current.lived_s >= self._life_s:
            self._ask_for_another(f"it has lived for {self._life_s:.0f} s")
        return self._next is None and (current is None or self._replacing is not None)

    def _ask_for_another(self, reason: str) -> None:
        if self._replacing is None:
            self._replacing = reason
            logger.info("feed opens another connection name=%s reason=%s", self._name, reason)

    def _dial(self) -> None:
        wait_s = self._may_dial()
        if wait_s > 0:
            self._due_s = time.monotonic() + wait_s
            logger.warning("feed waits name=%s wait_s=%.1f: too many attempts", self._name, wait_s)
            return
        with self._lock:
            self._dialed += 1
            self._next = Line(
                self._dialed,
                self._connection,
                self._buffer,
                f"feed-{self._name}",
                self._options,
                self._changed,
            )

    def _settle(self) -> None:
        """Take note of connections that have opened or ended."""
        self._drop_current_if_ended()
        if self._current is None and self._next is not None and self._next.was_open:
            self._current, self._next = self._next, None
            self._generation += 1
            logger.info("feed connected name=%s generation=%d", self._name, self._generation)
            self._drop_current_if_ended()
        if self._next is not None and self._next.ended is not None:
            self._lost(self._next)
            self._next = None

    def _drop_current_if_ended(self) -> None:
        if self._current is not None and self._current.ended is not None:
            self._lost(self._current)
            self._current = self._replacing = None

    def _lost(self, line: Line) -> None:
        self._last_frame_s = line.last_frame_s
        self._last_error = line.ended
        lived_s = line.lived_s
        wait_s = max(self._backoff.next_wait_s(lived_s=lived_s), line.retry_after_s)
        self._due_s = time.monotonic() + wait_s
        self._changed.set()
        if not self._stopping.is_set():
            logger.warning(
                "feed lost name=%s lived_s=%.1f wait_s=%.2f reason=%s",
                self._name,
                lived_s,
                wait_s,
                self._last_error,
            )

    def _retire(self, line: Line, reason: str) -> None:
        line.end(reason)
        self._retired = [one for one in self._retired if one.ended is None]
        self._retired.append(line)

    def _end_all(self) -> None:
        with self._lock:
            lines = [one for one in (self._current, self._next, *self._retired) if one is not None]
            self._current = self._next = None
        for line in lines:
            line.end("stopped")
        for line in lines:
            line.join(_STOP_S)


def _leg(line: Line | None) -> Leg | None:
    return Leg(line.number, line.opened_us) if line is not None and line.open else None
