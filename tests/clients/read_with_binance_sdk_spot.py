"""Trades and the best twenty levels through `binance-sdk-spot`, the official SDK."""

from __future__ import annotations

import asyncio

from answer import answer, as_trade, asked
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot

websocket_url, rest_url, symbol, last_id = asked()


def plain(message) -> dict:  # noqa: ANN001 - a model of the client
    """Return a model with the names of the wire."""
    return message.model_dump(by_alias=True)


async def main() -> None:
    """Read until both the last trade and the book after it have come."""
    client = Spot(
        config_rest_api=ConfigurationRestAPI(base_path=rest_url),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=websocket_url),
    )
    connection = await client.websocket_streams.create_connection()
    messages: asyncio.Queue = asyncio.Queue()
    stream = await connection.agg_trade(symbol=symbol.lower())
    stream.on("message", lambda message: messages.put_nowait(("trade", plain(message))))
    books = await connection.partial_book_depth(
        symbol=symbol.lower(), levels=20, update_speed="100ms"
    )
    books.on("message", lambda message: messages.put_nowait(("book", plain(message))))

    trades, book, newest_update = [], None, None
    while newest_update is None or book is None or book["lastUpdateId"] < newest_update:
        kind, content = await asyncio.wait_for(messages.get(), 60)
        if kind == "book":
            book = content
        else:
            trades.append(as_trade(content))
            if trades[-1][0] == last_id:
                depth = client.rest_api.depth(symbol=symbol, limit=5).data()
                newest_update = plain(depth)["lastUpdateId"]
    served = client.rest_api.agg_trades(symbol=symbol, from_id=trades[0][0], limit=1000).data()
    await connection.close_connection(close_session=True)
    answer(trades, [as_trade(plain(row)) for row in served], book["bids"], book["asks"])


asyncio.run(main())
