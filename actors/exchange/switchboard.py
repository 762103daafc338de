"""The operator's side of the exchange: what was issued, and what is to go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from actors.exchange.monotonic import monotonic_us
from pipeline.durations import SECOND
from pipeline.exchange import admin
from pipeline.exchange.streams import parse_stream
from pipeline.exchange.wire import combined, frame, shutdown_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.exchange.connection import Connection
    from actors.exchange.sockets import Sockets
    from pipeline.exchange.faults import Fault
    from pipeline.exchange.rest import Response
    from pipeline.exchange.venue import Exchange

_SHUTDOWN_STREAM = "!serverShutdown"


class Switchboard:
    """Serves /admin.

    Args:
        exchange: What is asked about.
        sockets: Whose connections are to suffer.
        advance: Issues what is due, so that answers are exact to the moment.
    """

    def __init__(self, exchange: Exchange, sockets: Sockets, advance: Callable[[], None]) -> None:
        self._exchange = exchange
        self._sockets = sockets
        self._advance = advance

    def add_to(self, routes: web.UrlDispatcher) -> None:
        """Add the paths."""
        routes.add_get("/admin/ledger", self._ledger)
        routes.add_get("/admin/faults", self._faults)
        routes.add_post("/admin/faults", self._switch_on)
        routes.add_delete("/admin/faults", self._clear)
        routes.add_post("/admin/listing", self._change_listing)

    async def _ledger(self, request: web.Request) -> web.Response:
        self._advance()
        return answer(admin.ledger(self._exchange, list(request.query.items())))

    async def _faults(self, _: web.Request) -> web.Response:
        return answer(admin.faults(self._exchange))

    async def _switch_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._advance()
        response, fault = admin.switch_on(self._exchange, body)
        if fault is not None:
            _strike(fault, self._sockets.connections, self._exchange, monotonic_us())
            self._sockets.index_readers()
        return answer(response)

    async def _change_listing(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._advance()
        return answer(admin.change_listing(self._exchange, body))

    async def _clear(self, _: web.Request) -> web.Response:
        self._exchange.faults.clear()
        return answer(admin.faults(self._exchange))


def answer(response: Response) -> web.Response:
    """Return an answer as it is sent."""
    return web.Response(
        status=response.status,
        headers=response.headers,
        body=response.body,
        content_type="application/json",
    )


def _strike(
    fault: Fault, connections: Iterable[Connection], exchange: Exchange, now_us: int
) -> None:
    """Carry out a fault on the connections that it concerns: that carry its symbol, or all.

    Args:
        fault: What was switched on; one that does nothing at once does nothing here.
        connections: That are open.
        exchange: For its streams and its clock.
        now_us: The clock of pings.
    """
    for connection in list(connections):
        names = _concerned(fault, connection, exchange)
        if fault.symbol is not None and not names:
            continue
        match fault.name:
            case "abort":
                connection.abort()
            case "close":
                connection.close(fault.parameters["code"], b"Switched on by a fault")
            case "half_open":
                connection.mute(now_us + fault.parameters["seconds"] * SECOND)
            case "server_shutdown":
                message = shutdown_message(exchange.now_us, connection.unit_us)
                if connection.session.combined:
                    message = combined(_SHUTDOWN_STREAM, message)
                connection.send(frame(message))
                due_us = now_us + fault.parameters["close_after_s"] * SECOND
                connection.close_at(due_us, b"Server shutdown")
            case "silent":
                connection.silenced |= names


def _concerned(fault: Fault, connection: Connection, exchange: Exchange) -> set[str]:
    """Return the names of a connection's streams that a fault is about."""
    streams = {name: parse_stream(name, exchange.markets) for name in connection.session.streams}
    return {name for name, stream in streams.items() if stream and fault.concerns(stream.symbol)}
