"""The side of the exchange that serves files: its public dumps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.exchange.dumps import Dump, Dumps

_CHECKSUM = ".CHECKSUM"
_CHUNK = 256 * 1024


class Archive:
    """Serves dumps under the paths that data.binance.vision has for them.

    Args:
        dumps: Of the exchange.
        advance: Issues what is due: a day that is over by now is there.
    """

    def __init__(self, dumps: Dumps, advance: Callable[[], None]) -> None:
        self._dumps = dumps
        self._advance = advance

    def add_to(self, routes: web.UrlDispatcher) -> None:
        """Add the paths."""
        routes.add_get("/data/spot/daily/aggTrades/{symbol}/{name}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._advance()
        name = request.match_info["name"]
        found = self._dumps.find(request.match_info["symbol"], name.removesuffix(_CHECKSUM))
        if found is None:
            raise web.HTTPNotFound
        if name.endswith(_CHECKSUM):
            return web.Response(text=f"{found.sha256.hexdigest()}  {found.name}\n")
        return await _send(found, request)


async def _send(dump: Dump, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/zip"})
    response.content_length = dump.size
    # Of its own: the dump may go while it is read.
    descriptor = os.dup(dump.file.fileno())
    try:
        await response.prepare(request)
        for place in range(0, dump.size, _CHUNK):
            await response.write(os.pread(descriptor, _CHUNK, place))
        await response.write_eof()
    finally:
        os.close(descriptor)
    return response
