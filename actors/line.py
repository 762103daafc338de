"""One connection, from its dialing to its end, on a thread of its own.

The thread stamps a message and puts it into a buffer, nothing more: it also answers the venue's
pings, and a venue closes a connection whose pongs come late.
"""

from __future__ import annotations

import logging
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import websocket

from actors.stream_socket import StreamSocket
from actors.trust import distrust

if TYPE_CHECKING:
    import ssl

    from actors.frame_buffer import Sink
    from pipeline.venues.protocol import Connection

logger = logging.getLogger(__name__)

_PACE_S = 0.05


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How a feed's connections are held.

    Attributes:
        silence_s: A connection without a frame for longer is dead, however open it looks.
        connect_timeout_s: The longest silence while dialing.
        messages_per_s: What the venue allows to send, pongs included.
        trust: Whose certificates to believe; null: whom this machine believes.
    """

    silence_s: float = 30.0
    connect_timeout_s: float = 10.0
    messages_per_s: int = 5
    trust: ssl.SSLContext | None = None


class Line:
    """Dials at once, and reads until the connection ends.

    Args:
        number: Tags its messages in the buffer.
        connection: What to dial, and what to send once it is open.
        buffer: Where messages go.
        name: Of the thread.
        options: How it is held.
        changed: Set when it opens and when it ends.
    """

    def __init__(
        self,
        number: int,
        connection: Connection,
        buffer: Sink,
        name: str,
        options: LineOptions,
        changed: threading.Event,
    ) -> None:
        self.number = number
        self._connection = connection
        self._buffer = buffer
        self._options = options
        self._changed = changed
        self._socket = StreamSocket(options.messages_per_s, options.trust)
        self._ending = threading.Event()
        # Written by its own thread only; others read them one at a time.
        self._opened_s: float | None = None
        self._opened_us = 0
        self._lived_s = 0.0
        self._last_frame_s = time.monotonic()
        self._error: str | None = None
        self._retry_after_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
        self._thread.start()

    @property
    def open(self) -> bool:
        """Whether it is open, and everything it has to send on open is sent."""
        return self.was_open and self._error is None

    @property
    def was_open(self) -> bool:
        """Whether it is open, or was before it ended."""
        return self._opened_s is not None

    @property
    def opened_us(self) -> int:
        """When it was opened, on the clock that stamps messages."""
        return self._opened_us

    @property
    def ended(self) -> str | None:
        """Why it ended or could not be opened; null while it did not."""
        return self._error

    @property
    def retry_after_s(self) -> float:
        """How long the venue wants no attempt, as it said when it refused this one."""
        return self._retry_after_s

    @property
    def lived_s(self) -> float:
        """How long it was open, up to now or its end."""
        if self._error is not None or self._opened_s is None:
            return self._lived_s
        return time.monotonic() - self._opened_s

    @property
    def last_frame_s(self) -> float:
        """When the last frame of any kind came, pings included, on the monotonic clock."""
        return self._last_frame_s

    def send_soon(self, message: str) -> None:
        """Send a message as soon as the venue allows it."""
        self._socket.send_soon(message)

    def end(self, reason: str) -> None:
        """End it; returns at once."""
        self._ending.set()
        self._socket.end(reason)

    def join(self, timeout_s: float) -> None:
        """Wait for the end of its thread."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        error = "ended"
        try:
            self._dial()
            self._read()
        except websocket.WebSocketTimeoutException:
            options = self._options
            silence_s = options.connect_timeout_s if self._opened_s is None else options.silence_s
            error = f"silent for {silence_s:g} s"
        except (OSError, websocket.WebSocketException) as failure:
            error = _describe(failure)
            self._retry_after_s = _retry_after_s(failure)
        except Exception as failure:  # the feed outlives whatever one connection does
            logger.exception("feed failed name=%s", self._thread.name)
            error = repr(failure)
        finally:
            if self._opened_s is not None:
                self._lived_s = time.monotonic() - self._opened_s
            self._error = self._socket.end_reason or error
            self._socket.shutdown()  # type: ignore[no-untyped-call]  # of websocket-client
            self._changed.set()

    def _dial(self) -> None:
        """Open the connection and send what it has to send on open."""
        options = self._options
        self._socket.dial(self._connection.url, timeout_s=options.connect_timeout_s)
        for message in self._connection.on_open:
            self._socket.send_soon(message)
        while not self._socket.send_due() and not self._ending.wait(_PACE_S):
            pass
        if self._ending.is_set():
            return
        self._last_frame_s = time.monotonic()
        self._opened_us = time.time_ns() // 1_000
        self._opened_s = self._last_frame_s
        self._changed.set()

    def _read(self) -> None:
        append, number, silence_s = self._buffer.append, self.number, self._options.silence_s
        while not self._ending.is_set():
            opcode, payload = self._socket.next_frame(self._last_frame_s + silence_s)
            self._last_frame_s = time.monotonic()
            if opcode in {websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY}:
                append(payload, time.time_ns() // 1_000, number)
            elif opcode == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException(_close_text(payload))


def _describe(error: Exception) -> str:
    """Return what went wrong with a connection, in one line."""
    if isinstance(error, websocket.WebSocketBadStatusException):
        return f"handshake refused: HTTP {error.status_code} {error.status_message}"
    return distrust(error) or str(error) or type(error).__name__


def _retry_after_s(error: Exception) -> float:
    """Return what a refused handshake says about when to come again; 0 when it does not."""
    if not isinstance(error, websocket.WebSocketBadStatusException):
        return 0.0
    said = (error.resp_headers or {}).get("retry-after", "")
    return float(said) if said.isdecimal() else 0.0


def _close_text(payload: bytes) -> str:
    if len(payload) < 2:
        return "closed by the venue without a code"
    (code,) = struct.unpack("!H", payload[:2])
    return f"closed by the venue: {code} {payload[2:].decode(errors='replace')}".rstrip()
