"""Trades and the best twenty levels through `binance-connector`, the official connector."""

from __future__ import annotations

import json
import queue

from answer import answer, as_trade, asked
from binance.spot import Spot
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

websocket_url, rest_url, symbol, last_id = asked()
messages: queue.Queue[str] = queue.Queue()
stream = SpotWebsocketStreamClient(
    websocket_url, on_message=lambda _, message: messages.put(message), is_combined=True
)
stream.agg_trade(symbol)
stream.partial_book_depth(symbol, level=20, speed=100)

trades, book = [], None
rest = Spot(base_url=rest_url)
newest_update = None
while newest_update is None or book is None or book["lastUpdateId"] < newest_update:
    content = json.loads(messages.get(timeout=60)).get("data", {})
    if content.get("e") == "aggTrade":
        trades.append(as_trade(content))
        if content["a"] == last_id:
            newest_update = rest.depth(symbol, limit=5)["lastUpdateId"]
    elif "lastUpdateId" in content:
        book = content
stream.stop()
served = rest.agg_trades(symbol, fromId=trades[0][0], limit=1000)
answer(trades, [as_trade(row) for row in served], book["bids"], book["asks"])
