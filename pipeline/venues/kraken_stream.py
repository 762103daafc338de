"""What the messages of Kraken's WebSocket v2 mean.

Prices and sizes are JSON numbers, and a double is the nearest to the digits as they were sent. One
message holds one trade or a few, which are read each by itself when the whole cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pipeline.durations import SECOND
from pipeline.venues.protocol import Parsed
from pipeline.venues.rows import (
    UNDECODABLE,
    Rejection,
    decode,
    rejected_frame,
    trades_frame,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


class _Trade(msgspec.Struct, gc=False):
    """A trade; `side` is the taker's, and ids follow each other in a book."""

    symbol: Annotated[str, msgspec.Meta(min_length=1)]
    side: Literal["buy", "sell"]
    price: float
    qty: float
    trade_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


class _Trades(msgspec.Struct, gc=False):
    """`{"channel": "trade", "type": "update", "data": [...]}`."""

    channel: Literal["trade"]
    type: Literal["snapshot", "update"]
    data: Annotated[list[_Trade], msgspec.Meta(min_length=1)]


@dataclass(slots=True)
class _Batch:
    """Messages sorted by what they are; trades and rejections keep their place in the batch."""

    trades: list[_Trade] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    replies: int = 0
    other: int = 0

    def add_trades(self, place: int, trades: Sequence[_Trade]) -> None:
        self.trades.extend(trades)
        self.places.extend([place] * len(trades))

    def add(self, place: int, message: bytes) -> None:
        """Take a message that is not sound trades all through."""
        content = decode(message, _any)
        match content:
            case Rejection():
                self.rejections.append((place, content))
            case {"channel": "trade", "type": "snapshot" | "update", "data": [_, *_] as items}:
                self._add_each(place, items)
            case {"channel": "trade"}:
                self.rejections.append((place, Rejection(None, "trade: expected a list of them")))
            case {"error": str(text)} | {"Error": str(text)}:
                self.replies += 1
                self.refusals.append(_refusal(content, text))
            case {"method": str()}:
                self.replies += 1
            # The heartbeat, the venue's status, and data that was not asked for.
            case {"channel": str()}:
                self.other += 1
            case _:
                self.rejections.append(
                    (place, Rejection(None, "not a message the venue documents"))
                )

    def _add_each(self, place: int, items: Sequence[Any]) -> None:
        """Take the trades of a message of which at least one is broken."""
        for item in items:
            try:
                trade = msgspec.convert(item, _Trade)
            except msgspec.ValidationError as error:
                rejection = Rejection(_symbol_of(item), f"trade: {error}", _text(item))
                self.rejections.append((place, rejection))
            else:
                self.add_trades(place, [trade])

    def parsed(self, messages: Sequence[bytes], receive_us: Sequence[int]) -> Parsed:
        frame, faults = self._frame(receive_us)
        self.rejections.extend(
            (
                self.places[row],
                Rejection(self.trades[row].symbol, reason, _text(self.trades[row])),
            )
            for row, reason in faults.items()
        )
        good = {place for row, place in enumerate(self.places) if row not in faults}
        return Parsed(
            trades=without(frame, faults),
            rejected=rejected_frame(self.rejections, messages, receive_us),
            data=len(good),
            replies=self.replies,
            refusals=tuple(self.refusals),
            other=self.other,
            rejected_messages=len({place for place, _ in self.rejections} - good),
            closing=False,
            audits=(),
        )

    def _frame(self, receive_us: Sequence[int]) -> tuple[pl.DataFrame, dict[int, str]]:
        trade_id = [trade.trade_id for trade in self.trades]
        return trades_frame(
            {
                "symbol": [trade.symbol for trade in self.trades],
                "trade_id": trade_id,
                "first_id": trade_id,
                "last_id": trade_id,
                # A double holds microseconds of this age exactly, once it is rounded.
                "event_time": [
                    round(trade.timestamp.timestamp() * SECOND) for trade in self.trades
                ],
                "receive_time": [receive_us[place] for place in self.places],
                "price": [trade.price for trade in self.trades],
                "quantity": [trade.qty for trade in self.trades],
                "buyer_is_maker": [trade.side == "sell" for trade in self.trades],
            }
        )


_decode_trades = msgspec.json.Decoder(_Trades).decode
_any = msgspec.json.Decoder()


def parse_stream(messages: Sequence[bytes], receive_us: Sequence[int]) -> Parsed:
    """Return the rows of a batch; never raises for what a message holds."""
    batch = _Batch()
    for place, message in enumerate(messages):
        try:
            batch.add_trades(place, _decode_trades(message).data)
        except UNDECODABLE:
            batch.add(place, message)
    return batch.parsed(messages, receive_us)


def _refusal(content: dict[str, Any], text: str) -> str:
    """Return an error with what was asked for, where the venue says it."""
    asked = [content.get("method"), content.get("symbol")]
    return " ".join([*(name for name in asked if isinstance(name, str)), text])


def _symbol_of(item: object) -> str | None:
    symbol = item.get("symbol") if isinstance(item, dict) else None
    return symbol if isinstance(symbol, str) else None


def _text(item: object) -> bytes:
    return msgspec.json.encode(item)
