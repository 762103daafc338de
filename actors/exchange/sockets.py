"""The WebSocket side of the exchange: who is connected, and who reads which stream."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from actors.exchange.connection import GOING_AWAY, POLICY_VIOLATION, Connection
from actors.exchange.monotonic import monotonic_us
from pipeline.exchange.control import Session
from pipeline.exchange.limits import ATTEMPTS_US, Counts
from pipeline.exchange.streams import Stream, messages, parse_stream
from pipeline.exchange.wire import combined, frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.exchange.limits import Limits
    from pipeline.exchange.venue import Exchange, Step

logger = logging.getLogger(__name__)

_MESSAGE_LIMIT = 128 * 1024  # of a client: a SUBSCRIBE of 1024 streams fits

_UNITS_US = {"MILLISECOND": 1000, "MICROSECOND": 1}


class Sockets:
    """The connections of all clients.

    Args:
        exchange: What they are told of.
        limits: What each of them may do.

    Attributes:
        connections: Those that are open.
        readers: Of each stream, in each unit of time.
    """

    def __init__(self, exchange: Exchange, limits: Limits) -> None:
        self.connections: set[Connection] = set()
        self.readers: dict[tuple[Stream, int], list[Connection]] = {}
        self._exchange = exchange
        self._limits = limits
        self._attempts = Counts(ATTEMPTS_US)

    def add_to(self, routes: web.UrlDispatcher) -> None:
        """Add the paths."""
        routes.add_get("/ws", self._serve_raw)
        routes.add_get("/ws/{streams:.*}", self._serve_raw)
        routes.add_get("/stream", self._serve_combined)
        routes.add_get("/stream/ws", self._serve_combined)

    @property
    def behind(self) -> bool:
        """Whether a client reads more slowly than it is sent to."""
        return any(connection.behind for connection in self.connections)

    def deliver(self, step: Step) -> None:
        """Queue what each stream says about a step for those who read it."""
        for (stream, unit_us), readers in self.readers.items():
            found = messages(self._exchange, stream, step, unit_us)
            if found:
                _deliver(stream, found, readers)

    def write(self, now_us: int) -> None:
        """Let every connection send what it may, and end those whose time has come."""
        faults = self._exchange.faults
        pace_per_us, pings = faults.pace_per_us, not faults.is_on("no_ping")
        for connection in self.connections:
            connection.keep_alive(now_us)
            if pings:
                connection.ping(now_us)
            if pace_per_us is None:
                connection.flush()
            else:
                connection.trickle(now_us, pace_per_us)

    async def close(self) -> None:
        """Tell every client 1001, and wait until all of them are gone."""
        for connection in self.connections:
            connection.close(GOING_AWAY, b"Server shutdown")
        closing = [one.closing for one in self.connections if one.closing is not None]
        await asyncio.gather(*closing)

    def index_readers(self) -> None:
        """Find who reads which stream."""
        self.readers = {}
        for connection in self.connections:
            # One that was left and is subscribed to anew speaks again.
            connection.silenced &= connection.session.streams.keys()
            for name in connection.session.streams.keys() - connection.silenced:
                stream = parse_stream(name, self._exchange.markets)
                if stream is not None:
                    self.readers.setdefault((stream, connection.unit_us), []).append(connection)

    async def _serve_raw(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info.get("streams", "").split("/")
        return await self._serve(request, names, is_combined=False)

    async def _serve_combined(self, request: web.Request) -> web.StreamResponse:
        names = request.query.get("streams", "").split("/")
        return await self._serve(request, names, is_combined=True)

    async def _serve(
        self, request: web.Request, names: Sequence[str], *, is_combined: bool
    ) -> web.StreamResponse:
        now_us = monotonic_us()
        if self._attempts.add(request.remote or "", 1, now_us) > self._limits.attempts:
            wait = {"Retry-After": str(self._attempts.left_s(now_us))}
            return web.Response(status=429, headers=wait, text="Too many attempts to connect")
        unit_us = _UNITS_US.get(request.query.get("timeUnit", "MILLISECOND").upper())
        transport = request.transport
        if unit_us is None or transport is None:
            return web.Response(status=400, text="timeUnit: MILLISECOND or MICROSECOND expected")
        reader = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=_MESSAGE_LIMIT)
        await reader.prepare(request)
        connection = Connection(
            reader,
            transport,
            session=Session([name for name in names if name], combined=is_combined),
            limits=self._limits,
            unit_us=unit_us,
            now_us=now_us,
        )
        self.connections.add(connection)
        self.index_readers()
        logger.debug("exchange connected remote=%s", request.remote)
        try:
            await self._listen(connection, reader)
        finally:
            if connection.closing is not None:
                await connection.closing
            self.connections.discard(connection)
            self.index_readers()
        return reader

    async def _listen(self, connection: Connection, reader: web.WebSocketResponse) -> None:
        if connection.session.overfull:
            connection.close(POLICY_VIOLATION, b"Too many streams")
        async for message in reader:
            if not connection.take(monotonic_us()):
                return
            if message.type is WSMsgType.TEXT:
                answer = connection.session.reply(message.data)
                self.index_readers()
                connection.send(frame(answer.encode()))
            elif message.type is WSMsgType.PING and not self._exchange.faults.is_on("no_ping"):
                connection.take_ping(message.data)
            elif message.type is WSMsgType.PONG:
                connection.take_pong(message.data)


def _deliver(stream: Stream, found: list[bytes], readers: list[Connection]) -> None:
    """Hand the messages of a stream to its readers.

    Every message of every stream passes here once, unframed and in order.
    """
    forms: dict[bool, bytes] = {}
    for connection in readers:
        is_combined = connection.session.combined
        if is_combined not in forms:
            forms[is_combined] = b"".join(
                frame(combined(stream.name, one) if is_combined else one) for one in found
            )
        connection.send(forms[is_combined])
