"""One WebSocket connection: its backlog, its pings and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from pipeline.exchange.wire import frame

if TYPE_CHECKING:
    from aiohttp import web

    from pipeline.exchange.control import Session
    from pipeline.exchange.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

#: Bytes that may wait for a client that does not read. One that lets more come up loses what waits
#: and is told 1008.
BACKLOG_LIMIT = 16 * 1024 * 1024

#: A client with more than this waiting is behind: a recording waits for it.
BEHIND = 1024 * 1024

# Above this the transport is left to drain, and frames wait here, where they can be dropped.
_WRITABLE = 64 * 1024

_CLOSE_S = 2.0

POLICY_VIOLATION = 1008
GOING_AWAY = 1001
_PING, _PONG = 0x9, 0xA


class Connection:
    """Writes whole frames straight to the transport, many in one call.

    Attributes:
        session: What it is subscribed to.
        unit_us: Microseconds in a unit of the times it is sent.
        closing: The task that closes it, once there is one.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        *,
        session: Session,
        heartbeat: Heartbeat,
        unit_us: int,
    ) -> None:
        self.session = session
        self.unit_us = unit_us
        self.closing: asyncio.Task[None] | None = None
        self._socket = socket
        self._transport = transport
        self._heartbeat = heartbeat
        self._backlog: list[bytes] = []
        self._backlog_size = 0

    @property
    def behind(self) -> bool:
        """Whether the client reads more slowly than it is sent to."""
        return self._backlog_size + self._transport.get_write_buffer_size() > BEHIND

    def send(self, frames: bytes) -> None:
        """Queue whole frames."""
        if self.closing is not None:
            return
        self._backlog.append(frames)
        self._backlog_size += len(frames)
        if self._backlog_size > BACKLOG_LIMIT:
            logger.warning("exchange dropped a reader backlog_bytes=%d", self._backlog_size)
            self._drop_backlog()
            self.close(POLICY_VIOLATION, b"Client does not read")

    def flush(self) -> None:
        """Hand the backlog to the transport, if that has room."""
        if self._backlog and self._transport.get_write_buffer_size() < _WRITABLE:
            self._transport.write(b"".join(self._backlog))
            self._drop_backlog()

    def _drop_backlog(self) -> None:
        self._backlog.clear()
        self._backlog_size = 0

    def keep_alive(self, now_us: int) -> None:
        """Send a ping that is due; close the connection if one went unanswered."""
        if self.closing is not None:
            return
        if self._heartbeat.expired(now_us):
            self.close(POLICY_VIOLATION, b"Pong timeout")
            return
        payload = self._heartbeat.ping(now_us)
        if payload is not None:
            self.send(frame(payload, _PING))

    def take_ping(self, payload: bytes | bytearray) -> None:
        """Answer a ping of the client."""
        self.send(frame(bytes(payload), _PONG))

    def take_pong(self, payload: bytes | bytearray) -> None:
        """Take an answer to one of ours."""
        self._heartbeat.pong(bytes(payload))

    def close(self, code: int, reason: bytes) -> None:
        """Start to close the connection; nothing is sent any more."""
        if self.closing is None:
            self.flush()
            self.closing = asyncio.create_task(self._close(code, reason))

    async def _close(self, code: int, reason: bytes) -> None:
        # A client that does not read does not answer either: then the connection is cut.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._socket.close(code=code, message=reason)
        self._transport.abort()
