"""What each venue says, in its own words: a new venue adds its samples here."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Samples:
    """Messages and answers of a venue, all about one market.

    Attributes:
        symbol: The market.
        trade: A message with the one trade `12345`, at 2021-10-12 00:28:43.963 UTC.
        unsound: The same with a price of zero.
        acknowledgement: Of a control message.
        refusal: Likewise, when it is an error.
        others: Well-formed messages without a trade.
        page: REST trades 12345 and 12346, in that order.
        no_trades: REST trades of a market that has none.
        listing: REST instruments, the market among them.
        volumes: The last day of the market: 30,000 of its quote asset.
        no_volume: The same, as not even a number.
        time: The REST clock, at 2021-10-12 00:28:43 UTC.
        book: Messages about the book, in turn, after which it is bid 9.50 of 3, ask 10.00 of 1.
        unsound_book: One with a price of zero.
        snapshot: REST book from before the messages; null where they start with one.
    """

    symbol: str
    trade: bytes
    unsound: bytes
    acknowledgement: bytes
    refusal: bytes
    others: tuple[bytes, ...]
    page: bytes
    no_trades: bytes
    listing: bytes
    volumes: bytes
    no_volume: bytes
    time: bytes
    book: tuple[bytes, ...]
    unsound_book: bytes
    snapshot: bytes | None


def _encode(content: object) -> bytes:
    return json.dumps(content).encode()


_AGGREGATE: dict[str, Any] = {
    "a": 12345,
    "p": "0.001",
    "q": "100",
    "f": 100,
    "l": 105,
    "T": 1633998523963,
    "m": True,
    "M": True,
}
_EVENT = {"e": "aggTrade", "E": 1633998523963, "s": "BTCUSDT"} | _AGGREGATE


def _depth(first_id: int, last_id: int, bids: list[list[str]], asks: list[list[str]]) -> bytes:
    event = {"e": "depthUpdate", "E": 1633998523963, "s": "BTCUSDT", "U": first_id, "u": last_id}
    return _encode({"stream": "btcusdt@depth@100ms", "data": event | {"b": bids, "a": asks}})


_BINANCE = Samples(
    symbol="BTCUSDT",
    trade=_encode({"stream": "btcusdt@aggTrade", "data": _EVENT}),
    unsound=_encode({"stream": "btcusdt@aggTrade", "data": _EVENT | {"p": "0"}}),
    acknowledgement=b'{"result":null,"id":1}',
    refusal=b'{"error":{"code":4,"msg":"Too many subscriptions"},"id":19}',
    others=(
        b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2}}',
        b'{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}',
    ),
    page=_encode([_AGGREGATE, _AGGREGATE | {"a": 12346, "f": 106, "l": 106}]),
    no_trades=b"[]",
    listing=_encode(
        {
            "symbols": [
                {
                    "symbol": "BTCUSDT",
                    "status": "TRADING",
                    "quoteAsset": "USDT",
                    "filters": [{"tickSize": "0.01"}],
                },
                {
                    "symbol": "OLDUSDT",
                    "status": "BREAK",
                    "quoteAsset": "USDT",
                    "filters": [{"tickSize": "0.01"}],
                },
            ]
        }
    ),
    volumes=b'[{"symbol":"BTCUSDT","volume":"0.5","quoteVolume":"30000.0"}]',
    no_volume=b'[{"symbol":"BTCUSDT","volume":"0.5","quoteVolume":"NaN"}]',
    time=b'{"serverTime":1633998523000}',
    book=(
        _depth(150, 161, [["9.00", "2"]], [["10.50", "0"]]),
        _depth(162, 162, [["9.50", "3"]], []),
    ),
    unsound_book=_depth(163, 163, [["0", "1"]], []),
    snapshot=_encode(
        {"lastUpdateId": 160, "bids": [["9.00", "1"]], "asks": [["10.00", "1"], ["10.50", "1"]]}
    ),
)

_TRADE: dict[str, Any] = {
    "symbol": "BTC/USD",
    "side": "sell",
    "price": 0.001,
    "qty": 100,
    "ord_type": "market",
    "trade_id": 12345,
    "timestamp": "2021-10-12T00:28:43.963000Z",
}
_ROW = ["0.001", "100", 1633998523.963, "s", "m", "", 12345]


def _update(*trades: object) -> bytes:
    return _encode({"channel": "trade", "type": "update", "data": trades})


def _levels(side: str) -> str:
    """Return levels from `price quantity`, with the digits as written."""
    return ",".join(
        '{"price":%s,"qty":%s}' % tuple(level.split())  # noqa: UP031 - braces
        for level in side.split(", ")
        if level
    )


def _book(kind: str, bids: str, asks: str, checksum: int) -> bytes:
    sides = f'"bids":[{_levels(bids)}],"asks":[{_levels(asks)}]'
    data = f'[{{"symbol":"BTC/USD",{sides},"checksum":{checksum}}}]'
    return f'{{"channel":"book","type":"{kind}","data":{data}}}'.encode()


_KRAKEN = Samples(
    symbol="BTC/USD",
    trade=_update(_TRADE),
    unsound=_update(_TRADE | {"price": 0}),
    acknowledgement=_encode(
        {
            "method": "subscribe",
            "req_id": 1,
            "result": {"channel": "trade", "snapshot": False, "symbol": "BTC/USD"},
            "success": True,
        }
    ),
    refusal=b'{"error":"Currency pair not supported A/B","method":"subscribe","success":false}',
    others=(
        b'{"channel":"heartbeat"}',
        b'{"channel":"status","type":"update","data":[{"system":"online"}]}',
    ),
    page=_encode(
        {"error": [], "result": {"XXBTZUSD": [_ROW, [*_ROW[:-1], 12346]], "last": "1633998523963"}}
    ),
    no_trades=b'{"error":[],"result":{"XXBTZUSD":[],"last":"0"}}',
    listing=_encode(
        {
            "error": [],
            "result": {
                "XXBTZUSD": {"wsname": "XBT/USD", "pair_decimals": 1, "status": "online"},
                "OLDUSD": {"wsname": "OLD/USD", "pair_decimals": 1, "status": "delisted"},
            },
        }
    ),
    volumes=_encode(
        {
            "error": [],
            "result": {"XXBTZUSD": {"v": ["0.1", "0.5"], "p": ["9.0", "60000.0"], "t": [1, 9]}},
        }
    ),
    no_volume=_encode(
        {"error": [], "result": {"XXBTZUSD": {"v": ["0.1", "NaN"], "p": ["9.0", "60000.0"]}}}
    ),
    time=b'{"error":[],"result":{"unixtime":1633998523}}',
    book=(
        # CRC32 of "10001" "9001", asks before bids, and of "10001" "9503" "9001".
        _book("snapshot", "9.00 1", "10.00 1", zlib.crc32(b"100019001")),
        _book("update", "9.50 3", "", zlib.crc32(b"1000195039001")),
    ),
    unsound_book=_book("update", "0 1", "", 0),
    snapshot=None,
)

SAMPLES = {"exchange": _BINANCE, "binance": _BINANCE, "binance-us": _BINANCE, "kraken": _KRAKEN}
