"""What the messages of Binance's combined streams mean.

They are decoded one by one: decoding a batch as one JSON array costs the same, and in an array a
malformed message can change the meaning of its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pipeline.venues.binance_trades import AggregateTrade, aggregates_frame
from pipeline.venues.protocol import Audit, Parsed
from pipeline.venues.rows import UNDECODABLE, Rejection, decode, rejected_frame, without

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRADES, _BOOKS = "@aggTrade", "@depth@100ms"


class _StreamTrade(AggregateTrade, gc=False, rename={"kind": "e", "symbol": "s"}):
    """An aggregate trade as a stream carries it."""

    kind: Literal["aggTrade"]
    symbol: Annotated[str, msgspec.Meta(min_length=1)]


class _Combined(msgspec.Struct, gc=False):
    """`{"stream": ..., "data": ...}`."""

    data: _StreamTrade


@dataclass(frozen=True, slots=True)
class _Reply:
    """The answer to a control message; `refusal` is its text when it is an error."""

    refusal: str | None = None
    audit: Audit | None = None


@dataclass(frozen=True, slots=True)
class _Other:
    """A message of a kind that was not asked for."""

    closing: bool


@dataclass(slots=True)
class _Batch:
    """Messages sorted by what they are; trades and rejections keep their place in the batch."""

    trades: list[_StreamTrade] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    replies: int = 0
    refusals: list[str] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    other: int = 0
    closing: bool = False

    def add(self, place: int, message: _StreamTrade | _Reply | _Other | Rejection) -> None:
        match message:
            case _StreamTrade():
                self.trades.append(message)
                self.places.append(place)
            case _Reply(refusal, audit):
                self.replies += 1
                if refusal is not None:
                    self.refusals.append(refusal)
                if audit is not None:
                    self.audits.append(audit)
            case _Other(closing):
                self.other += 1
                self.closing |= closing
            case Rejection():
                self.rejections.append((place, message))


_decode_combined = msgspec.json.Decoder(_Combined).decode
_any = msgspec.json.Decoder()


def parse_stream(
    messages: Sequence[bytes], receive_us: Sequence[int], *, books: bool = False
) -> Parsed:
    """Return the rows of a batch; never raises for what a message holds.

    Args:
        messages: As they came.
        receive_us: When each came.
        books: Whether an audit counts a symbol only with the stream of its book.
    """
    batch = _Batch()
    trades, places = batch.trades, batch.places
    for place, message in enumerate(messages):
        try:
            trades.append(_decode_combined(message).data)
            places.append(place)
        except UNDECODABLE:
            batch.add(place, _classify(message, books=books))

    frame, faults = aggregates_frame(
        trades, [trade.symbol for trade in trades], [receive_us[place] for place in places]
    )
    batch.rejections.extend(
        (places[row], Rejection(trades[row].symbol, reason)) for row, reason in faults.items()
    )
    sound = without(frame, faults)
    return Parsed(
        trades=sound,
        rejected=rejected_frame(batch.rejections, messages, receive_us),
        data=sound.height,
        replies=batch.replies,
        refusals=tuple(batch.refusals),
        other=batch.other,
        rejected_messages=len(batch.rejections),
        closing=batch.closing,
        audits=tuple(batch.audits),
    )


def trade_stream(symbol: str) -> str:
    """Return the name of the stream with the trades of a symbol."""
    return symbol.lower() + _TRADES


def book_stream(symbol: str) -> str:
    """Return the name of the stream with the changes of a symbol's book."""
    return symbol.lower() + _BOOKS


def _classify(message: bytes, *, books: bool) -> _StreamTrade | _Reply | _Other | Rejection:
    """Say what a message is that is not a combined aggTrade."""
    content = decode(message, _any)
    match content:
        case Rejection():
            return content
        case {"error": {"code": code, "msg": text}} | {"code": code, "msg": text}:
            return _Reply(f"code {code}: {text}")
        case {"result": list(streams), "id": int(request_id)}:
            return _Reply(audit=Audit(request_id, _symbols(streams, books=books)))
        case {"result": _}:
            return _Reply()
    return _classify_event(content)


def _classify_event(content: Any) -> _StreamTrade | _Other | Rejection:  # noqa: ANN401 - any JSON
    """Say what an event is, combined or raw."""
    match content:
        case {"data": {"e": "serverShutdown"}} | {"e": "serverShutdown"}:
            return _Other(closing=True)
        case {"data": {"e": "aggTrade"} as event} | ({"e": "aggTrade"} as event):
            return _convert(event)
        case {"stream": str(stream), "data": event} if stream.endswith(_TRADES):
            return _convert(event)
        # Best prices and partial depth name no kind: a raw one is known by a field.
        case {"stream": str(), "data": _} | {"e": str()} | {"u": _} | {"lastUpdateId": _}:
            return _Other(closing=False)
    return Rejection(None, "not a message the venue documents")


def _symbols(streams: list[Any], *, books: bool) -> frozenset[str]:
    """Return the symbols of which everything is among the streams."""
    traded, kept = (
        {
            stream.removesuffix(kind).upper()
            for stream in streams
            if isinstance(stream, str) and stream.endswith(kind)
        }
        for kind in (_TRADES, _BOOKS)
    )
    return frozenset(traded & kept if books else traded)


def _convert(event: Any) -> _StreamTrade | Rejection:  # noqa: ANN401 - any JSON
    """Return a trade, or why it is none."""
    try:
        return msgspec.convert(event, _StreamTrade)
    except msgspec.ValidationError as error:
        symbol = event.get("s") if isinstance(event, dict) else None
        return Rejection(symbol if isinstance(symbol, str) else None, f"aggTrade: {error}")
