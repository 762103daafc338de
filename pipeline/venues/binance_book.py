"""Binance's `depthUpdate` events and the depth it serves over REST."""

from __future__ import annotations

from decimal import Decimal  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated, Any, Literal

import msgspec

from pipeline.errors import VenueError
from pipeline.orderbook import Change, Snapshot
from pipeline.venues.answers import decode_answer
from pipeline.venues.levels import UNSOUND, are_sound
from pipeline.venues.rows import Rejection, decode

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Depth(msgspec.Struct, rename="camel"):
    last_update_id: _Id
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class _Event(
    msgspec.Struct,
    rename={"kind": "e", "symbol": "s", "first_id": "U", "last_id": "u", "bids": "b", "asks": "a"},
):
    kind: Literal["depthUpdate"]
    symbol: Annotated[str, msgspec.Meta(min_length=1)]
    first_id: _Id
    last_id: _Id
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


_any = msgspec.json.Decoder()

#: Stream and kind come first in a message; a name of a market has no quotes.
_HEAD = 200


def is_change(message: bytes) -> bool:
    """Say by its first bytes whether a message is a `depthUpdate`, combined or raw."""
    return b'"depthUpdate"' in message[:_HEAD]


def parse_depth(body: bytes, symbol: str) -> Snapshot:
    """Return the answer of `/depth`.

    Raises:
        VenueError: The body is none.
    """
    depth = decode_answer(body, _Depth, "a depth of prices")
    if not are_sound((*depth.bids, *depth.asks)):
        raise VenueError(f"{symbol}: {UNSOUND}")
    return Snapshot(symbol, depth.bids, depth.asks, last_id=depth.last_update_id)


def parse_change(message: bytes) -> Change | Rejection | None:
    """Return a change of a book, why it cannot be read, or null for a message of another kind."""
    content = decode(message, _any)
    match content:
        case Rejection():
            return content
        case {"data": {"e": "depthUpdate"} as event} | ({"e": "depthUpdate"} as event):
            return _change(event)
    return None


def _change(event: dict[str, Any]) -> Change | Rejection:
    try:
        read = msgspec.convert(event, _Event)
    except msgspec.ValidationError as error:
        symbol = event.get("s")
        return Rejection(symbol if isinstance(symbol, str) else None, f"depthUpdate: {error}")
    if read.first_id > read.last_id:
        return Rejection(read.symbol, "depthUpdate: expected U of at most u")
    if not are_sound((*read.bids, *read.asks)):
        return Rejection(read.symbol, f"depthUpdate: {UNSOUND}")
    return Change(read.symbol, read.bids, read.asks, read.first_id, read.last_id)
