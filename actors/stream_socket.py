"""The client's end of one WebSocket connection."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import websocket

from actors.loopback import is_loopback_url
from pipeline.pacing import Pace

if TYPE_CHECKING:
    import ssl

_READ_BYTES = 65_536

#: Between two looks at what there is to send.
_SLICE_S = 0.1

#: Messages that may wait to be sent; what is beyond is not sent, which the next audit shows.
_MAX_WAITING = 64


class StreamSocket(websocket.WebSocket):
    """A WebSocket that reads ahead, gives up on a silent peer, and can be ended by any thread.

    websocket-client asks its socket for the two bytes of a header, then for a length, then for a
    payload. Reading ahead costs 4.1 us a trade where that costs 8.9 us.

    One thread reads and sends. What others want to be sent waits for it, for a tenth of a second,
    and never takes the place of a pong in what the venue allows.

    Args:
        messages_per_s: What the venue allows to send, pongs included.
        trust: Whose certificates to believe; null: whom this machine believes.
    """

    def __init__(self, messages_per_s: int, trust: ssl.SSLContext | None = None) -> None:
        # Messages stay bytes: the parser checks the encoding.
        super().__init__(
            skip_utf8_validation=True, sslopt=None if trust is None else {"context": trust}
        )
        self.end_reason: str | None = None
        self._deadline_s = 0.0
        self._ahead = b""
        self._taken = 0
        self._pace = Pace(messages_per_s)
        self._waiting: deque[str] = deque()
        self._owed_pong: bytes | None = None

    def dial(self, url: str, *, timeout_s: float) -> None:
        """Connect and shake hands.

        Raises:
            OSError: The address cannot be reached, or its certificate is not trusted.
            WebSocketException: The answer is not that of a WebSocket.
        """
        self.connect(url, timeout=timeout_s, **_proxy_options(url))  # type: ignore[no-untyped-call]  # of websocket-client

    def send_soon(self, message: str) -> None:
        """Send a message as soon as the venue allows it; from any thread."""
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(message)

    def send_due(self) -> bool:
        """Send what may be sent now; return whether nothing waits any more. Reading does it too."""
        if self._owed_pong is not None and self._pace.take(time.monotonic()):
            owed, self._owed_pong = self._owed_pong, None
            super().pong(owed)
        # A pong must find room whenever a ping comes.
        while self._waiting and self._pace.take(time.monotonic(), leave=1):
            self.send(self._waiting.popleft())
        return not self._waiting

    def pong(self, payload: str | bytes = b"") -> None:
        """Answer a ping; where it is one too many, the newest is answered as soon as it may."""
        if self._pace.take(time.monotonic()):
            super().pong(payload)
        else:
            self._owed_pong = payload if isinstance(payload, bytes) else payload.encode()

    def next_frame(self, deadline_s: float) -> tuple[int, bytes]:
        """Return the opcode and payload of the next frame; a ping is also answered.

        Raises:
            WebSocketTimeoutException: There was none until `deadline_s` on the monotonic clock.
        """
        self._deadline_s = deadline_s
        opcode, payload = self.recv_data(control_frame=True)
        return opcode, payload

    def end(self, reason: str) -> None:
        """Wake the reading thread with the end of the stream."""
        self.end_reason = reason
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # the peer was faster
                sock.shutdown(socket.SHUT_RDWR)

    def _recv(self, bufsize: int) -> bytes:
        if self._taken == len(self._ahead):
            self._ahead = self._read_ahead()
            self._taken = 0
        start = self._taken
        self._taken = min(start + bufsize, len(self._ahead))
        return self._ahead[start : self._taken]

    def _read_ahead(self) -> bytes:
        while True:
            if self._waiting or self._owed_pong is not None:
                self.send_due()
            left_s = self._deadline_s - time.monotonic()
            # A timeout of zero would mean not to wait at all, and fail differently.
            self.settimeout(min(max(left_s, 0.001), _SLICE_S))
            try:
                return super()._recv(_READ_BYTES)  # type: ignore[no-any-return, no-untyped-call]  # of websocket-client
            except websocket.WebSocketTimeoutException:
                if left_s <= _SLICE_S:
                    raise


def _proxy_options(url: str) -> dict[str, Any]:
    """Keep a loopback address off the proxy that the environment names for others.

    websocket-client looks at `http_no_proxy` only beside a proxy that is given, not found.
    """
    if not is_loopback_url(url):
        return {}
    host = urlsplit(url).hostname
    return {"http_proxy_host": "none.invalid", "http_proxy_port": 1, "http_no_proxy": [host]}
