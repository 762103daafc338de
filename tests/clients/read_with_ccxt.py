"""Trades and the whole book through `ccxt.pro`, which keeps a local book by itself."""

from __future__ import annotations

import asyncio

import ccxt.pro
from answer import Trade, answer, asked, eight_places

websocket_url, rest_url, symbol, last_id = asked()


def trade_of(row: dict) -> Trade:
    """Return a trade of ccxt's unified form."""
    price, amount = eight_places(row["price"]), eight_places(row["amount"])
    return int(row["id"]), price, amount, row["timestamp"], row["side"] == "sell"


async def main() -> None:
    """Follow the trades and the book at once."""
    exchange = ccxt.pro.binance(
        {
            "options": {
                "fetchMarkets": {"types": ["spot"]},
                "watchTrades": {"name": "aggTrade"},
            }
        }
    )
    exchange.urls["api"]["public"] = f"{rest_url}/api/v3"
    exchange.urls["api"]["ws"]["spot"] = f"{websocket_url}/ws"
    await exchange.load_markets()
    name = exchange.markets_by_id[symbol][0]["symbol"]
    book: dict = {}
    changed = asyncio.Event()

    async def follow_book() -> None:
        while True:
            book.update(await exchange.watch_order_book(name))
            changed.set()

    trades: list[Trade] = []
    following = None
    while not trades or trades[-1][0] < last_id:
        new = await asyncio.wait_for(exchange.watch_trades(name), 60)
        trades += [trade_of(row) for row in new]
        following = following or asyncio.create_task(follow_book())
    newest_update = (await exchange.fetch_order_book(name, 5))["nonce"]
    async with asyncio.timeout(60):
        while book.get("nonce", 0) < newest_update:
            changed.clear()
            await changed.wait()
    following.cancel()
    served = await exchange.fetch_trades(name, limit=1000, params={"fromId": trades[0][0]})
    await exchange.close()
    answer(trades, [trade_of(row) for row in served], book["bids"], book["asks"])


asyncio.run(main())
