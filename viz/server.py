"""The board served from the process that owns the data, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bokeh.application import Application
from bokeh.application.handlers import DirectoryHandler
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import create_hosts_allowlist
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from pipeline.errors import AddressError
from viz.hub import HUB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.board import BoardSource
    from viz.hub import Hub

PATH = "/viz"

#: A page that is gone is forgotten after the lifetime; long enough to survive a reload.
CHECK_UNUSED_MS = 2_000
UNUSED_LIFETIME_MS = 30_000
KEEP_ALIVE_MS = 10_000

#: How long a stopping server may take to end its thread.
STOP_S = 5.0


class Health(RequestHandler):
    """`GET /healthz`: 200 while the pipeline answers, 503 when it does not."""

    def initialize(self, hub: Hub) -> None:
        """Take what the route was made with."""
        self._hub = hub

    def get(self) -> None:
        """Answer with the state as JSON."""
        tick = self._hub.view.tick
        tornado = cast("BokehTornado", self.application)
        self.set_status(503 if tick.state == "offline" else 200)
        self.write(
            {
                "state": tick.state,
                "reason": tick.reason,
                "hub_age_s": round(self._hub.age_s, 3),
                "sessions": len(tuple(tornado.applications[PATH].sessions)),
            }
        )


class BoardServer:
    """A running board.

    Attributes:
        port: The port it listens on, also when 0 was asked for.
        url: The page.
    """

    def __init__(
        self, server: BaseServer, thread: threading.Thread, *, host: str, port: int
    ) -> None:
        self.port = port
        self.url = f"http://{host}:{port}{PATH}"
        self._server = server
        self._thread = thread

    def stop(self) -> None:
        """Close the listening socket and every page, stop the hub, and wait for the thread."""
        self._server.io_loop.add_callback(self._stop_on_loop)
        self._thread.join(STOP_S)

    def _stop_on_loop(self) -> None:
        self._server.stop()
        self._server.io_loop.stop()


def serve(source: BoardSource, *, host: str, port: int, origins: Sequence[str] = ()) -> BoardServer:
    """Pull `source` into this process's hub and serve it; returns once the port is open.

    Args:
        source: What the board shows.
        host: The address to listen on.
        port: 0 asks for any free port.
        origins: `host:port` under which browsers may open the page, beside the server's own.

    Raises:
        AddressError: The address cannot be listened on.
    """
    try:
        listener = socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise AddressError(f"board: cannot listen on {host}:{port}: {error.strerror}") from error
    listener.settimeout(0)
    actual_port = listener.getsockname()[1]
    own = [f"{host}:{actual_port}", f"localhost:{actual_port}"]
    app = _tornado(create_hosts_allowlist([*own, *origins], actual_port))
    HUB.start(source)
    started: Future[BaseServer] = Future()

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = IOLoop.current()
        http = HTTPServer(app)
        http.add_socket(listener)
        server = BaseServer(loop, app, http)
        server.start()
        started.set_result(server)
        loop.start()
        # Bokeh leaves the sockets of open pages as they are; closed, the pages learn that it ended.
        loop.close(all_fds=True)

    thread = threading.Thread(target=run, name="board-server", daemon=True)
    thread.start()
    return BoardServer(started.result(), thread, host=host, port=actual_port)


def _tornado(origins: list[str]) -> BokehTornado:
    folder = Path(__file__).parent
    return BokehTornado(
        {PATH: Application(DirectoryHandler(filename=str(folder)))},
        extra_websocket_origins=origins,
        extra_patterns=[("/healthz", Health, {"hub": HUB})],
        check_unused_sessions_milliseconds=CHECK_UNUSED_MS,
        unused_session_lifetime_milliseconds=UNUSED_LIFETIME_MS,
        keep_alive_milliseconds=KEEP_ALIVE_MS,
    )
