"""Recorded messages of Kraken's WebSocket v1 in the shape of v2, digit by digit.

No recording of v2 is at hand. What v1 sends has the same values in another shape: prices and sizes
as text, a list of values for an object, no ids. The ids here are counted.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tests.recorded import recorded_frames

TRADES, TICKERS, BOOKS = "KRAKEN.ws.48.0", "KRAKEN.ws.49.0", "KRAKEN.ws.50.0.gz"


def trade_frames() -> tuple[list[bytes], list[int]]:
    """Return the recorded trades and when they came."""
    ids: Counter[str] = Counter()
    lists = _lists(TRADES)
    return [_trades(content, ids) for content, _ in lists], [time_us for _, time_us in lists]


def book_frames() -> list[bytes]:
    """Return the recorded snapshots and updates of books, 1,000 levels deep."""
    return [_book(content) for content, _ in _lists(BOOKS)]


def _lists(name: str) -> list[tuple[list[Any], int]]:
    """Return the messages of data; all others are objects."""
    contents = zip(*recorded_frames(name), strict=True)
    decoded = [(json.loads(message), time_us) for message, time_us in contents]
    return [(content, time_us) for content, time_us in decoded if isinstance(content, list)]


def _trades(message: list[Any], ids: Counter[str]) -> bytes:
    """`[channel, [[price, volume, time, side, kind, ""], ...], name, pair]`."""
    pair, rows = message[3], []
    for price, volume, time, side, kind, _ in message[1]:
        ids[pair] += 1
        rows.append(
            f'{{"symbol":"{pair}","side":"{"buy" if side == "b" else "sell"}",'
            f'"price":{price},"qty":{volume},"ord_type":"{"market" if kind == "m" else "limit"}",'
            f'"trade_id":{ids[pair]},"timestamp":"{_rfc3339(time)}"}}'
        )
    return f'{{"channel":"trade","type":"update","data":[{",".join(rows)}]}}'.encode()


def _book(message: list[Any]) -> bytes:
    """`[channel, {"as": [[price, volume, time], ...], "bs": ...}, name, pair]`.

    An update has `a` and `b`, each in an object of its own where it has both, and the checksum `c`.
    """
    sides: dict[str, Any] = {}
    for part in message[1:-2]:
        sides |= part
    snapshot = "as" in sides
    levels = {
        name: ",".join(
            f'{{"price":{price},"qty":{size}}}' for price, size, *_ in sides.get(key, [])
        )
        for name, key in zip(("asks", "bids"), ("as", "bs") if snapshot else "ab", strict=True)
    }
    checksum = "" if snapshot else f',"checksum":{sides["c"]}'
    return (
        f'{{"channel":"book","type":"{"snapshot" if snapshot else "update"}","data":[{{'
        f'"symbol":"{message[-1]}","bids":[{levels["bids"]}],"asks":[{levels["asks"]}]{checksum}}}]}}'
    ).encode()


def _rfc3339(seconds: str) -> str:
    whole, fraction = seconds.split(".")
    return f"{datetime.fromtimestamp(int(whole), UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"
