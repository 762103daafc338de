"""One WebSocket connection that is kept open: dial, read, and dial again.

The reading thread stamps a message and puts it into a buffer, nothing more: websocket-client
answers pings on this thread, and a venue closes a connection whose pongs come late.
"""

from __future__ import annotations

import logging
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import websocket

from actors.stream_socket import StreamSocket

if TYPE_CHECKING:
    import random

    from pipeline.venues.protocol import Connection

logger = logging.getLogger(__name__)

# A venue takes 5 messages a second, pongs included.
_PACE_S = 0.25


class FrameBuffer:
    """Messages on their way from the reading thread to whoever drains them.

    When it is full a new message is dropped and counted: a dropped trade is a hole in the ids,
    which is healed over REST.

    Args:
        max_frames: The most messages it holds.
    """

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._lock = threading.Lock()
        self._messages: list[bytes] = []
        self._receive_us: list[int] = []
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many messages were dropped so far."""
        return self._dropped

    def append(self, message: bytes, receive_us: int) -> None:
        """Add a message, or drop it when the buffer is full."""
        with self._lock:
            if len(self._messages) < self._max_frames:
                self._messages.append(message)
                self._receive_us.append(receive_us)
            else:
                self._dropped += 1

    def drain(self) -> tuple[list[bytes], list[int]]:
        """Take out every message with its time of arrival, oldest first."""
        with self._lock:
            drained = self._messages, self._receive_us
            self._messages, self._receive_us = [], []
        return drained


class Backoff:
    """How long to wait before each attempt to connect.

    The first attempt is not delayed. Then waits are drawn from zero to a ceiling that doubles up to
    `max_s` and starts over after a connection that lived longer than that. However short the waits
    are, there are never more than 300 attempts in 5 minutes: the venue counts them.

    Args:
        random: The source of jitter.
        max_s: The longest wait.
    """

    FIRST_CEILING_S = 0.25
    MAX_ATTEMPTS = 300
    PERIOD_S = 300.0

    def __init__(self, random: random.Random, *, max_s: float = 30.0) -> None:
        self._random = random
        self._max_s = max_s
        self._ceiling_s = 0.0
        self._attempts_s: deque[float] = deque(maxlen=self.MAX_ATTEMPTS)

    def next_wait_s(self, now_s: float, *, lived_s: float) -> float:
        """Return the wait before the next attempt, which is taken to happen after it.

        Args:
            now_s: Any clock that only moves forward.
            lived_s: How long the connection before was open, 0 for none.
        """
        if lived_s > self._max_s:
            self._ceiling_s = self.FIRST_CEILING_S
        wait_s = self._random.uniform(0.0, min(self._max_s, self._ceiling_s))
        self._ceiling_s = min(self._max_s, max(self.FIRST_CEILING_S, 2 * self._ceiling_s))
        if len(self._attempts_s) == self.MAX_ATTEMPTS:
            wait_s = max(wait_s, self._attempts_s[0] + self.PERIOD_S - now_s)
        self._attempts_s.append(now_s + wait_s)
        return wait_s


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What is known about a feed.

    Attributes:
        connected: A connection is open and everything it has to send on open is sent.
        generation: How many connections were opened so far.
        silent_s: Since the last frame of any kind, pings included, or since the feed was made.
        last_error: Why the newest connection ended or could not be opened, even when the feed is
            connected again; None when that never happened.
    """

    connected: bool
    generation: int
    silent_s: float
    last_error: str | None

    @property
    def reconnects(self) -> int:
        """How many connections were opened in place of a lost one."""
        return max(0, self.generation - 1)


class Feed:
    """Keeps a connection open on a thread of its own, from `start` to `stop`.

    Args:
        connection: What to dial, and what to send on every open.
        buffer: Where messages go.
        name: Of the thread, and in the log.
        backoff: How long to wait between attempts.
        silence_s: A connection without a frame for longer is dead, however open it looks.
        connect_timeout_s: The longest silence while dialing.
    """

    def __init__(
        self,
        connection: Connection,
        buffer: FrameBuffer,
        *,
        name: str,
        backoff: Backoff,
        silence_s: float = 30.0,
        connect_timeout_s: float = 10.0,
    ) -> None:
        self._connection = connection
        self._buffer = buffer
        self._name = name
        self._backoff = backoff
        self._silence_s = silence_s
        self._connect_timeout_s = connect_timeout_s
        self._thread = threading.Thread(target=self._run, name=f"feed-{name}", daemon=True)
        self._stopping = threading.Event()
        # Written by the feed's thread only; others read them one at a time.
        self._socket: StreamSocket | None = None
        self._connected = False
        self._generation = 0
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
        """End the connection and the thread; returns when it ended, or could not for too long."""
        self._stopping.set()
        self.reconnect("stopped")
        if self._thread.is_alive():
            self._thread.join(self._connect_timeout_s)

    def reconnect(self, reason: str) -> None:
        """Drop the connection, as one the venue said it will close, and dial again."""
        current = self._socket
        if current is not None:
            current.end(reason)

    def status(self) -> FeedStatus:
        """Return what is known now."""
        return FeedStatus(
            connected=self._connected,
            generation=self._generation,
            silent_s=time.monotonic() - self._last_frame_s,
            last_error=self._last_error,
        )

    def _run(self) -> None:
        wait_s = self._backoff.next_wait_s(time.monotonic(), lived_s=0.0)
        while not self._stopping.wait(wait_s):
            lived_s = self._hold_connection()
            wait_s = self._backoff.next_wait_s(time.monotonic(), lived_s=lived_s)
            if not self._stopping.is_set():
                logger.warning(
                    "feed lost name=%s lived_s=%.1f wait_s=%.2f reason=%s",
                    self._name,
                    lived_s,
                    wait_s,
                    self._last_error,
                )

    def _hold_connection(self) -> float:
        """Dial, and read until the connection ends; return how long it was open."""
        opened_s: float | None = None
        current = self._socket = StreamSocket()
        try:
            self._dial(current)
            opened_s = time.monotonic()
            self._read(current)
        except websocket.WebSocketTimeoutException:
            silence_s = self._connect_timeout_s if opened_s is None else self._silence_s
            self._last_error = f"silent for {silence_s:g} s"
        except (OSError, websocket.WebSocketException) as error:
            self._last_error = current.end_reason or _describe(error)
        except Exception as error:  # the feed outlives whatever one connection does
            logger.exception("feed failed name=%s", self._name)
            self._last_error = repr(error)
        finally:
            self._connected = False
            current.shutdown()  # type: ignore[no-untyped-call]  # of websocket-client
        return 0.0 if opened_s is None else time.monotonic() - opened_s

    def _dial(self, current: StreamSocket) -> None:
        """Open the connection and send what it has to send on open."""
        current.dial(self._connection.url, timeout_s=self._connect_timeout_s)
        for number, message in enumerate(self._connection.on_open):
            if number > 0:
                self._stopping.wait(_PACE_S)
            current.send(message)
        self._generation += 1
        self._last_frame_s = time.monotonic()
        self._connected = True
        logger.info("feed connected name=%s generation=%d", self._name, self._generation)

    def _read(self, current: StreamSocket) -> None:
        while not self._stopping.is_set():
            opcode, payload = current.next_frame(self._last_frame_s + self._silence_s)
            self._last_frame_s = time.monotonic()
            if opcode in {websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY}:
                self._buffer.append(payload, time.time_ns() // 1_000)
            elif opcode == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException(_close_text(payload))


def _describe(error: Exception) -> str:
    if isinstance(error, websocket.WebSocketBadStatusException):
        return f"handshake refused: HTTP {error.status_code} {error.status_message}"
    return str(error) or type(error).__name__


def _close_text(payload: bytes) -> str:
    if len(payload) < 2:
        return "closed by the venue without a code"
    (code,) = struct.unpack("!H", payload[:2])
    return f"closed by the venue: {code} {payload[2:].decode(errors='replace')}".rstrip()
