"""The `book` channel of Kraken's WebSocket v2, and the checksum that comes with every message."""

from __future__ import annotations

import re
import zlib
from decimal import Decimal  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pipeline.orderbook import Change, Snapshot
from pipeline.venues.levels import UNSOUND, are_sound
from pipeline.venues.rows import UNDECODABLE, Rejection, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.book_side import Level


class _Level(msgspec.Struct, gc=False):
    price: Decimal
    qty: Decimal


class _Book(msgspec.Struct):
    symbol: Annotated[str, msgspec.Meta(min_length=1)]
    bids: list[_Level]
    asks: list[_Level]
    # Recordings of WebSocket v1 have none with a snapshot.
    checksum: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] | None = None


class _Message(msgspec.Struct):
    channel: Literal["book"]
    type: Literal["snapshot", "update"]
    data: list[_Book]


_decode_message = msgspec.json.Decoder(_Message).decode
_any = msgspec.json.Decoder()
_IS_BOOK = re.compile(rb'\s*\{\s*"channel"\s*:\s*"book"').match


def is_book(message: bytes) -> bool:
    """Say by its first bytes whether a message is of the channel."""
    return _IS_BOOK(message) is not None


def parse_book(message: bytes) -> list[Snapshot | Change] | Rejection | None:
    """Return what a message says about books, why it cannot be read, or null for another kind."""
    try:
        content = _decode_message(message)
    except UNDECODABLE as error:
        return _other(decode(message, _any), error)
    events = [_event(book, content.type) for book in content.data]
    for event in events:
        if not are_sound((*event.bids, *event.asks)):
            return Rejection(event.symbol, f"book: {UNSOUND}")
    return events


def checksum(asks: Sequence[Level], bids: Sequence[Level]) -> int:
    """Return the CRC32 over the digits of prices and sizes as sent, best level first."""
    text = "".join(_digits(price) + _digits(size) for price, size in (*asks, *bids))
    return zlib.crc32(text.encode())


def _digits(number: Decimal) -> str:
    """Return the digits without point and leading zeros."""
    return f"{number:f}".replace(".", "").lstrip("0")


def _event(book: _Book, kind: str) -> Snapshot | Change:
    bids = [(level.price, level.qty) for level in book.bids]
    asks = [(level.price, level.qty) for level in book.asks]
    event = Snapshot if kind == "snapshot" else Change
    return event(book.symbol, bids, asks, checksum=book.checksum)


def _other(content: Any, error: Exception) -> Rejection | None:  # noqa: ANN401 - any JSON
    """Say what a message is that is not about books as documented."""
    match content:
        case Rejection():
            return content
        case {"channel": "book"}:
            return Rejection(None, f"book: {error}")
    return None
