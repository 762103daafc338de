"""One WebSocket connection: its backlog, its pings and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from typing import TYPE_CHECKING

from pipeline.exchange.heartbeat import Heartbeat
from pipeline.exchange.limits import MessageRate
from pipeline.exchange.wire import frame

if TYPE_CHECKING:
    from aiohttp import web

    from pipeline.exchange.control import Session
    from pipeline.exchange.limits import Limits

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

    Args:
        reader: The side that reads.
        transport: The side that is written to.
        session: What it is subscribed to.
        limits: What the client may do.
        unit_us: Microseconds in a unit of the times it is sent.
        now_us: When it was opened, on the clock of its pings.

    Attributes:
        session: As above.
        unit_us: As above.
        closing: The task that closes it, once there is one.
        silenced: Streams that are subscribed to and say nothing, until they are left.
    """

    def __init__(
        self,
        reader: web.WebSocketResponse,
        transport: asyncio.Transport,
        *,
        session: Session,
        limits: Limits,
        unit_us: int,
        now_us: int,
    ) -> None:
        self.session = session
        self.unit_us = unit_us
        self.closing: asyncio.Task[None] | None = None
        self.silenced: set[str] = set()
        self._mute_until_us = 0
        self._close_at_us = now_us + limits.connection_life_us
        self._close_reason = b"Connection lifetime"
        self._flushed_us: int | None = None  # while its pace is limited
        self._reader = reader
        self._transport = transport
        self._heartbeat = Heartbeat(
            now_us, every_us=limits.ping_every_us, timeout_us=limits.pong_timeout_us
        )
        self._rate = MessageRate(limits.messages_per_s)
        self._backlog: list[bytes] = []
        self._backlog_size = 0

    @property
    def behind(self) -> bool:
        """Whether the client reads more slowly than it is sent to."""
        return self._backlog_size + self._transport.get_write_buffer_size() > BEHIND

    def send(self, frames: bytes) -> None:
        """Queue whole frames."""
        if self.closing is not None or self._mute_until_us:
            return
        self._backlog.append(frames)
        self._backlog_size += len(frames)
        if self._backlog_size > BACKLOG_LIMIT:
            logger.warning("exchange dropped a reader backlog_bytes=%d", self._backlog_size)
            self._drop_backlog()
            self.close(POLICY_VIOLATION, b"Client does not read")

    def flush(self) -> None:
        """Hand the backlog to the transport, if that has room."""
        self._flushed_us = None
        if self._backlog and self._transport.get_write_buffer_size() < _WRITABLE:
            self._transport.write(b"".join(self._backlog))
            self._drop_backlog()

    def trickle(self, now_us: int, bytes_per_us: float) -> None:
        """Hand over no more of the backlog than a slow line takes, in whole frames."""
        if self._flushed_us is None:
            self._flushed_us = now_us
        while self._backlog and len(self._backlog[0]) <= (now_us - self._flushed_us) * bytes_per_us:
            frames = self._backlog.pop(0)
            self._backlog_size -= len(frames)
            self._flushed_us += round(len(frames) / bytes_per_us)
            self._transport.write(frames)

    def _drop_backlog(self) -> None:
        self._backlog.clear()
        self._backlog_size = 0

    def abort(self) -> None:
        """Reset the connection: the client gets neither a close frame nor the end of the stream."""
        reset = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, reset
        )
        self._transport.abort()

    def mute(self, until_us: int) -> None:
        """Say nothing more until a time, and answer nothing; the connection stays open."""
        self._mute_until_us = until_us
        self._drop_backlog()

    def close_at(self, time_us: int, reason: bytes) -> None:
        """Close the connection at a time on the clock of its pings, unless it ends before."""
        if time_us < self._close_at_us:
            self._close_at_us, self._close_reason = time_us, reason

    def keep_alive(self, now_us: int) -> None:
        """Close the connection at the end of its life, or if a ping went unanswered."""
        if self._mute_until_us <= now_us:
            self._mute_until_us = 0
        if self.closing is not None or self._mute_until_us:
            return
        if self._close_at_us <= now_us:
            self.close(GOING_AWAY, self._close_reason)
        elif self._heartbeat.expired(now_us):
            self.close(POLICY_VIOLATION, b"Pong timeout")

    def take(self, now_us: int) -> bool:
        """Count a message of the client; close the connection if it is one too many."""
        within = self._rate.take(now_us)
        if not within:
            self.close(POLICY_VIOLATION, b"Too many requests")
        return within

    def ping(self, now_us: int) -> None:
        """Send a ping that is due."""
        if self._mute_until_us:
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
                await self._reader.close(code=code, message=reason)
        self._transport.abort()
