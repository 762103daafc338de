"""Trades and the whole book through `python-binance`, which keeps a local book by itself."""

from __future__ import annotations

import asyncio

from answer import answer, as_trade, asked
from binance import AsyncClient, BinanceSocketManager
from binance.ws.depthcache import DepthCacheManager

websocket_url, rest_url, symbol, last_id = asked()


async def main() -> None:
    """Follow the trades and the book at once."""
    AsyncClient.API_URL = f"{rest_url}/api"
    BinanceSocketManager.STREAM_URL = f"{websocket_url}/"
    client = await AsyncClient.create()
    manager = BinanceSocketManager(client)
    cache = DepthCacheManager(client, symbol, bm=manager, limit=5000, ws_interval=100)
    trades, book = [], None
    changed = asyncio.Event()
    async with manager.aggtrade_socket(symbol) as stream, cache as books:

        async def follow_book() -> None:
            nonlocal book
            while True:
                book = await books.recv() or book
                changed.set()

        following = asyncio.create_task(follow_book())
        while not trades or trades[-1][0] < last_id:
            trades.append(as_trade(await asyncio.wait_for(stream.recv(), 60)))
        newest = await client.get_order_book(symbol=symbol, limit=1)
        best = [float(newest["bids"][0][0]), float(newest["bids"][0][1])]
        async with asyncio.timeout(60):
            # It does not tell the update its book is at.
            while book is None or book.get_bids()[0] != best:
                changed.clear()
                await changed.wait()
        following.cancel()
    served = await client.get_aggregate_trades(symbol=symbol, fromId=trades[0][0], limit=1000)
    await client.close_connection()
    answer(trades, [as_trade(row) for row in served], book.get_bids(), book.get_asks())


asyncio.run(main())
