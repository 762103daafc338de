"""The built-in exchange: Binance's public market data on one port, in a thread of its own.

Between a trade and a socket each message passes three places: `Exchange.advance` issues it,
`Sockets.deliver` hands it to the readers of its stream, `Connection.send` frames it out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

from aiohttp import web

from actors.exchange.archive import Archive
from actors.exchange.listening import listen, tls_context
from actors.exchange.monotonic import monotonic_us
from actors.exchange.sockets import Sockets
from actors.exchange.switchboard import Switchboard, answer
from actors.loopback import is_loopback
from pipeline.durations import SECOND
from pipeline.errors import ConfigError, ExchangeEnded
from pipeline.exchange import rest
from pipeline.exchange.clock import MarketClock
from pipeline.exchange.dumps import Dumps
from pipeline.exchange.limits import DOCUMENTED
from pipeline.exchange.venue import Exchange
from pipeline.exchange.weights import RequestWeights

if TYPE_CHECKING:
    import socket
    import ssl
    from pathlib import Path

    from pipeline.exchange.limits import Limits
    from pipeline.exchange.trades import TradeSource

logger = logging.getLogger(__name__)

# Trades of one tick leave together: one write a connection, however many frames.
_TICK_S = 0.01

# The venue's clock goes in steps, and a recording pauses between two when a reader is behind. So
# `speed` is a wish: 100 steps in a tick are at most 100,000 times real time.
_STEP_US = 10 * SECOND
_STEPS_PER_TICK = 100

_URL_LIMIT = 64 * 1024


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
        limits: What a client may do.

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
        limits: Limits = DOCUMENTED,
    ) -> None:
        if admin and not is_loopback(host):
            raise ConfigError("exchange", [f"admin: expected a loopback host, found {host}"])
        self._source = source
        self._host = host
        self._port = port
        self._admin = admin
        self._tls_cert = tls_cert
        self._tls_key = tls_key
        self._dumps = Dumps(source.history_start_us)
        self._exchange = Exchange(source, self._dumps)
        self._clock = MarketClock(source.start_us, speed=speed)
        self._weights = RequestWeights()
        self._sockets = Sockets(self._exchange, limits)
        self._stopping = threading.Event()
        self._running: threading.Thread | None = None

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
            self._clock.start(monotonic_us())
        self._exchange.lay_down_history()
        self._running = threading.Thread(
            target=self._run, args=(listener, tls), name=f"exchange-{port}", daemon=True
        )
        self._running.start()
        logger.info("exchange listening host=%s port=%d", self._host, port)
        return port

    def check(self) -> None:
        """Look whether it is still served.

        Raises:
            ExchangeEnded: It was started, and has ended by itself; the log says why.
        """
        if self._running is not None and not self._running.is_alive():
            raise ExchangeEnded("the exchange has ended by itself; its log says why")

    def stop(self) -> None:
        """Close the sockets with 1001 and end the thread; does nothing the second time."""
        if self._running is None:
            return
        self._stopping.set()
        self._running.join()
        self._running = None

    def _run(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        asyncio.run(self._serve(listener, tls))

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
        try:
            while not self._stopping.is_set():
                self._tick()
                await asyncio.sleep(_TICK_S)
        finally:
            # Also when a tick has failed: nobody shall wait on a socket that no one serves.
            await self._sockets.close()
            await runner.cleanup()
            self._dumps.close()

    def _application(self) -> web.Application:
        application = web.Application()
        routes = application.router
        self._sockets.add_to(routes)
        routes.add_get(rest.PREFIX + "{endpoint:.+}", self._serve_rest)
        Archive(self._dumps, self._advance).add_to(routes)
        if self._admin:
            Switchboard(self._exchange, self._sockets, self._advance).add_to(routes)
        return application

    def _tick(self) -> None:
        if self._sockets.readers and not self._clock.running:
            self._clock.start(monotonic_us())
        self._advance()
        self._sockets.write(monotonic_us())

    def _advance(self) -> None:
        """Issue what is due by now and queue it for its readers."""
        target_us = self._clock.read(monotonic_us())
        recorded = self._source.recorded
        for _ in range(_STEPS_PER_TICK):
            if self._exchange.now_us >= target_us or (recorded and self._sockets.behind):
                return
            step = self._exchange.advance(min(target_us, self._exchange.now_us + _STEP_US))
            self._sockets.deliver(step)

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
        return answer(rest.respond(self._exchange, self._weights, asked, monotonic_us()))
