"""The built-in exchange: Binance's public market data on one port, in a thread of its own.

Between a trade and a socket each message passes three places: `Exchange.advance` issues it,
`ExchangeServer._deliver` hands it to the readers of its stream, `Connection.send` frames it out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from actors.exchange.connection import GOING_AWAY, Connection
from actors.exchange.listening import listen, tls_context
from actors.exchange.switchboard import Switchboard, answer
from actors.loopback import is_loopback
from pipeline.durations import SECOND
from pipeline.errors import ConfigError
from pipeline.exchange import rest
from pipeline.exchange.clock import MarketClock
from pipeline.exchange.control import Session
from pipeline.exchange.heartbeat import Heartbeat
from pipeline.exchange.streams import Stream, messages, parse_stream
from pipeline.exchange.venue import Exchange
from pipeline.exchange.weights import RequestWeights
from pipeline.exchange.wire import combined, frame

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.exchange.trades import TradeSource

logger = logging.getLogger(__name__)

# Trades of one tick leave together: one write a connection, however many frames.
_TICK_S = 0.01

# The venue's clock goes in steps, and a recording pauses between two when a reader is behind. So
# `speed` is a wish: 100 steps in a tick are at most 100,000 times real time.
_STEP_US = 10 * SECOND
_STEPS_PER_TICK = 100

_MESSAGE_LIMIT = 128 * 1024  # of a client: a SUBSCRIBE of 1024 streams fits
_URL_LIMIT = 64 * 1024

_UNITS_US = {"MILLISECOND": 1000, "MICROSECOND": 1}


class ExchangeServer:
    """Serves one TradeSource.

    Args:
        source: Where the trades come from. A recording stands at its first trade until the first
            subscription, so that nobody misses the beginning, and waits for slow readers.
        host: Where to listen.
        port: 0 for any free one.
        speed: Venue seconds in a real one.
        admin: Whether to serve /admin; only on loopback.
        tls_cert: PEM chain; null for plain sockets.
        tls_key: PEM key of `tls_cert`; null when it is in the same file.
        ping_every_s: Between two pings to a client.
        pong_timeout_s: How long a ping may go unanswered.

    Raises:
        ConfigError: `admin` is asked for on an address that others can reach.
    """

    def __init__(  # noqa: PLR0913 - one source, and the options of one command by name
        self,
        source: TradeSource,
        *,
        host: str,
        port: int,
        speed: float = 1.0,
        admin: bool = False,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        ping_every_s: float = 20.0,
        pong_timeout_s: float = 60.0,
    ) -> None:
        if admin and not is_loopback(host):
            raise ConfigError("exchange", [f"admin: expected a loopback host, found {host}"])
        self._source = source
        self._host = host
        self._port = port
        self._admin = admin
        self._tls_cert = tls_cert
        self._tls_key = tls_key
        self._ping_every_us = round(ping_every_s * SECOND)
        self._pong_timeout_us = round(pong_timeout_s * SECOND)
        self._exchange = Exchange(source)
        self._clock = MarketClock(source.start_us, speed=speed)
        self._weights = RequestWeights()
        self._connections: set[Connection] = set()
        self._readers: dict[tuple[Stream, int], list[Connection]] = {}
        self._stopping = asyncio.Event()
        self._running: tuple[threading.Thread, asyncio.AbstractEventLoop] | None = None

    def start(self) -> int:
        """Listen, lay down history, and serve from another thread; return the bound port.

        Raises:
            AddressError: The address cannot be bound.
            ConfigError: The certificate cannot be used.
        """
        tls = None if self._tls_cert is None else tls_context(self._tls_cert, self._tls_key)
        listener = listen(self._host, self._port)
        port = int(listener.getsockname()[1])
        if not self._source.recorded:
            self._clock.start(_monotonic_us())
        self._exchange.lay_down_history()
        loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=self._run, args=(loop, listener, tls), name=f"exchange-{port}", daemon=True
        )
        thread.start()
        self._running = thread, loop
        logger.info("exchange listening host=%s port=%d", self._host, port)
        return port

    def stop(self) -> None:
        """Close the sockets with 1001 and end the thread; does nothing the second time."""
        if self._running is None:
            return
        thread, loop = self._running
        self._running = None
        loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
    ) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve(listener, tls))

    async def _serve(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        runner = web.AppRunner(
            self._application(),
            handle_signals=False,
            access_log=None,
            shutdown_timeout=1.0,
            max_line_size=_URL_LIMIT,
        )
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls).start()
        while not self._stopping.is_set():
            self._tick()
            await asyncio.sleep(_TICK_S)
        for connection in self._connections:
            connection.close(GOING_AWAY, b"Server shutdown")
        closing = [one.closing for one in self._connections if one.closing is not None]
        await asyncio.gather(*closing)
        await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        routes = application.router
        routes.add_get("/ws", self._serve_raw)
        routes.add_get("/ws/{streams:.*}", self._serve_raw)
        routes.add_get("/stream", self._serve_combined)
        routes.add_get("/stream/ws", self._serve_combined)
        routes.add_get(rest.PREFIX + "{endpoint:.+}", self._serve_rest)
        if self._admin:
            Switchboard(
                self._exchange, self._connections, self._advance, self._index_readers
            ).add_to(routes)
        return application

    def _tick(self) -> None:
        self._advance()
        now_us = _monotonic_us()
        faults = self._exchange.faults
        pace_per_us, pings = faults.pace_per_us, not faults.is_on("no_ping")
        for connection in self._connections:
            connection.keep_alive(now_us)
            if pings:
                connection.ping(now_us)
            if pace_per_us is None:
                connection.flush()
            else:
                connection.trickle(now_us, pace_per_us)

    def _advance(self) -> None:
        """Issue what is due by now and queue it for its readers."""
        target_us = self._clock.read(_monotonic_us())
        recorded = self._source.recorded
        for _ in range(_STEPS_PER_TICK):
            if self._exchange.now_us >= target_us:
                return
            if recorded and any(connection.behind for connection in self._connections):
                return
            step = self._exchange.advance(min(target_us, self._exchange.now_us + _STEP_US))
            for (stream, unit_us), readers in self._readers.items():
                found = messages(self._exchange, stream, step, unit_us)
                if found:
                    _deliver(stream, found, readers)

    def _index_readers(self) -> None:
        """Find who reads which stream, and let a standing clock go once somebody does."""
        self._readers = {}
        for connection in self._connections:
            # One that was left and is subscribed to anew speaks again.
            connection.silenced &= connection.session.streams.keys()
            for name in connection.session.streams.keys() - connection.silenced:
                stream = parse_stream(name, self._exchange.markets)
                if stream is not None:
                    self._readers.setdefault((stream, connection.unit_us), []).append(connection)
        if self._readers and not self._clock.running:
            self._clock.start(_monotonic_us())

    async def _serve_raw(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info.get("streams", "").split("/")
        return await self._serve_socket(request, names, is_combined=False)

    async def _serve_combined(self, request: web.Request) -> web.StreamResponse:
        names = request.query.get("streams", "").split("/")
        return await self._serve_socket(request, names, is_combined=True)

    async def _serve_socket(
        self, request: web.Request, names: Sequence[str], *, is_combined: bool
    ) -> web.StreamResponse:
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
            heartbeat=Heartbeat(
                _monotonic_us(), every_us=self._ping_every_us, timeout_us=self._pong_timeout_us
            ),
            unit_us=unit_us,
        )
        self._connections.add(connection)
        self._index_readers()
        logger.debug("exchange connected remote=%s", request.remote)
        try:
            await self._listen(connection, reader)
        finally:
            if connection.closing is not None:
                await connection.closing
            self._connections.discard(connection)
            self._index_readers()
        return reader

    async def _listen(self, connection: Connection, reader: web.WebSocketResponse) -> None:
        async for message in reader:
            if message.type is WSMsgType.TEXT:
                answer = connection.session.reply(message.data)
                self._index_readers()
                connection.send(frame(answer.encode()))
            elif message.type is WSMsgType.PING and not self._exchange.faults.is_on("no_ping"):
                connection.take_ping(message.data)
            elif message.type is WSMsgType.PONG:
                connection.take_pong(message.data)

    async def _serve_rest(self, request: web.Request) -> web.Response:
        # Answers are exact to the moment: nothing that was due is missing.
        self._advance()
        microseconds = request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
        asked = rest.Request(
            request.match_info["endpoint"],
            list(request.query.items()),
            1 if microseconds else 1000,
            request.remote or "",
        )
        return answer(rest.respond(self._exchange, self._weights, asked, _monotonic_us()))


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


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000
