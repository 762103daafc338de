"""A small market that speaks Kraken's WebSocket v2 and its REST, on real sockets."""

from __future__ import annotations

import asyncio
import threading
import time
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How REST and the stream call the one market.
PAIR, SYMBOL = "XBTUSD", "BTC/USD"

_TICK_S = 0.02
_HEARTBEAT_S = 0.25


#: Price to size, as they are printed; best first.
Levels = dict[str, str]


def book_at(trade_id: int, depth: int) -> tuple[Levels, Levels]:
    """Return the best bids and asks after a trade; both move, and some levels keep their size."""
    best = 60_000 + trade_id % 7
    bids, asks = (
        {
            f"{price}.0": f"{1 + price % 3 + (trade_id + price) // 5 % 4}.25000000"
            for price in (best + step * number for number in range(1, depth + 1))
        }
        for step in (-1, 1)
    )
    return bids, asks


def checksum_of(bids: Levels, asks: Levels) -> int:
    ten = [level for side in (asks, bids) for level in list(side.items())[:10]]
    return zlib.crc32(
        "".join(number.replace(".", "").lstrip("0") for level in ten for number in level).encode()
    )


def price_at(trade_id: int) -> str:
    return f"{60_000 + trade_id % 97}.{trade_id % 10}"


@dataclass(slots=True)
class KrakenServer:
    """Issues `rate_per_s` trades a second from a while before its start, two or three a message.

    Attributes:
        rate_per_s: Trades a second.
        history_s: How much market lies before the start.
        quiet: No more trades are issued; heartbeats go on.
        muted: Trades are issued and served over REST, and not sent.
        broken_sums: Messages about the book that still come with another checksum.
        book_requests: `subscribe` and `unsubscribe` of the book, in order.
    """

    rate_per_s: float = 100.0
    history_s: float = 30.0
    quiet: bool = False
    muted: bool = False
    broken_sums: int = 0
    book_requests: list[str] = field(default_factory=list)
    url: str = ""
    asked: list[str] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    _sockets: set[web.WebSocketResponse] = field(default_factory=set)
    #: The depth of the book that a connection asked for, and the trade it was told of.
    _books: dict[web.WebSocketResponse, tuple[int, int]] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(started),)
        )
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        assert self._thread is not None
        self._thread.join()
        self._loop.close()

    @property
    def last_id(self) -> int:
        return len(self.times_ns)

    def cut(self) -> None:
        """Drop every connection without a word."""

        def abort() -> None:
            for socket in self._sockets:
                transport = socket._req and socket._req.transport
                if transport is not None:
                    transport.abort()

        self._loop.call_soon_threadsafe(abort)

    async def _run(self, started: threading.Event) -> None:
        app = web.Application()
        app.router.add_get("/v2", self._stream)
        app.router.add_get("/0/public/Time", self._time)
        app.router.add_get("/0/public/AssetPairs", self._pairs)
        app.router.add_get("/0/public/Ticker", self._tickers)
        app.router.add_get("/0/public/Trades", self._trades)
        app.router.add_get("/0/public/OHLC", self._bars)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
        now_ns = time.time_ns()
        self._issue(now_ns - int(self.history_s * 1e9), now_ns)
        started.set()
        await self._issue_all()
        await runner.cleanup()

    async def _issue_all(self) -> None:
        before_ns, heartbeat_s = time.time_ns(), 0.0
        while not self._stop.is_set():
            await asyncio.sleep(_TICK_S)
            now_ns = time.time_ns()
            first = self.last_id + 1
            if not self.quiet:
                self._issue(before_ns, now_ns)
            before_ns = now_ns
            issued = range(first, self.last_id + 1)
            heartbeat_s += _TICK_S
            for socket, (depth, known_id) in list(self._books.items()):
                if known_id != self.last_id:
                    await self._tell_book(socket, depth, known_id)
            if issued and not self.muted:
                for start in range(0, len(issued), 3):
                    await self._send(self._update(issued[start : start + 3]))
            elif heartbeat_s >= _HEARTBEAT_S:
                heartbeat_s = 0.0
                await self._send({"channel": "heartbeat"})

    def _issue(self, from_ns: int, to_ns: int) -> None:
        step_ns = int(1e9 / self.rate_per_s)
        last_ns = max(from_ns, self.times_ns[-1] if self.times_ns else 0)
        # Nanoseconds that are no whole microsecond.
        self.times_ns.extend(range(last_ns + step_ns, to_ns, step_ns))

    def _update(self, ids: range) -> dict[str, Any]:
        trades = [
            {
                "symbol": SYMBOL,
                "side": "sell" if trade_id % 2 else "buy",
                "price": float(price_at(trade_id)),
                "qty": trade_id / 1e4,
                "ord_type": "market",
                "trade_id": trade_id,
                "timestamp": _rfc3339(self.times_ns[trade_id - 1]),
            }
            for trade_id in ids
        ]
        return {"channel": "trade", "type": "update", "data": trades}

    async def _send(self, message: dict[str, Any]) -> None:
        for socket in list(self._sockets):
            try:
                await socket.send_json(message)
            except ConnectionError:
                self._sockets.discard(socket)

    async def _tell_book(self, socket: web.WebSocketResponse, depth: int, known_id: int) -> None:
        """Send what changed: a level that was pushed out of the depth is not told."""
        sides, whole = book_at(self.last_id, depth), book_at(self.last_id, 2 * depth)
        changes = [
            {price: "0.00000000" for price in old if price not in there}
            | {price: size for price, size in new.items() if old.get(price) != size}
            for old, new, there in zip(book_at(known_id, depth), sides, whole, strict=True)
        ]
        self._books[socket] = depth, self.last_id
        await self._send_book(socket, "update", changes, checksum_of(*sides))

    async def _send_book(
        self, socket: web.WebSocketResponse, kind: str, sides: Sequence[Levels], checksum: int
    ) -> None:
        if self.broken_sums and kind == "update":
            self.broken_sums -= 1
            checksum ^= 1
        bids, asks = (
            ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in side.items())
            for side in sides
        )
        data = f'"symbol":"{SYMBOL}","bids":[{bids}],"asks":[{asks}],"checksum":{checksum}'
        try:
            await socket.send_str(f'{{"channel":"book","type":"{kind}","data":[{{{data}}}]}}')
        except ConnectionError:
            self._books.pop(socket, None)

    async def _ask_book(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        """Take a subscription to the book, which starts with a snapshot, or its end."""
        depth = asked["params"].pop("depth")
        snapshot = {"snapshot": True} if asked["method"] == "subscribe" else {}
        assert asked["params"] == {"channel": "book", "symbol": [SYMBOL], **snapshot}
        self.book_requests.append(asked["method"])
        self._books.pop(socket, None)
        if snapshot:
            sides = book_at(self.last_id, depth)
            self._books[socket] = depth, self.last_id
            await self._send_book(socket, "snapshot", sides, checksum_of(*sides))

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(
            {"channel": "status", "type": "update", "data": [{"system": "online"}]}
        )
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                asked = message.json()
                await socket.send_json({"method": asked["method"], "success": True})
                if asked["params"]["channel"] == "book":
                    await self._ask_book(socket, asked)
                    continue
                assert asked["params"] == {
                    "channel": "trade",
                    "symbol": [SYMBOL],
                    "snapshot": False,
                }
                self._sockets.add(socket)
        self._sockets.discard(socket)
        self._books.pop(socket, None)
        return socket

    async def _time(self, _: web.Request) -> web.Response:
        return _answer({"unixtime": time.time_ns() // 1_000_000_000})

    async def _pairs(self, _: web.Request) -> web.Response:
        return _answer({"XXBTZUSD": {"wsname": "XBT/USD", "pair_decimals": 1, "status": "online"}})

    async def _tickers(self, _: web.Request) -> web.Response:
        return _answer({"XXBTZUSD": {"v": ["1.5", "20.0"], "p": ["60010.0", "60000.0"]}})

    async def _trades(self, request: web.Request) -> web.Response:
        self.asked.append(request.query_string)
        assert request.query["pair"] == PAIR
        count = int(request.query["count"])
        if "since" in request.query:
            first = bisect_right(self.times_ns, int(request.query["since"]))
            places = range(first, min(first + count, self.last_id))
        else:
            places = range(max(0, self.last_id - count), self.last_id)
        rows = [
            [
                price_at(place + 1),
                f"{(place + 1) / 1e4:.8f}",
                self.times_ns[place] / 1e9,
                "b" if place % 2 else "s",
                "m",
                "",
                place + 1,
            ]
            for place in places
        ]
        return _answer({"XXBTZUSD": rows, "last": str(self.times_ns[places[-1]] if rows else 0)})

    async def _bars(self, _: web.Request) -> web.Response:
        return _answer({"XXBTZUSD": [], "last": 0})


def _answer(result: object) -> web.Response:
    return web.json_response({"error": [], "result": result})


def _rfc3339(time_ns: int) -> str:
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{nanoseconds // 1000:06d}Z"
