"""What Kraken really sent. The recording is of WebSocket v1, whose trades have the same values in
another shape: they are put into the shape of v2 here, digit by digit, with ids of our own.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.venues.kraken_rest import parse_instruments
from pipeline.venues.kraken_stream import parse_stream
from pipeline.venues.protocol import Instrument
from tests.recorded import needs_recordings, recorded_answers, recorded_frames

pytestmark = needs_recordings

TRADES, TICKERS, BOOKS = "KRAKEN.ws.48.0", "KRAKEN.ws.49.0", "KRAKEN.ws.50.0.gz"


def as_v2(message: list[Any], ids: Counter[str]) -> bytes:
    """Return a message of v1, `[channel, [[price, volume, time, side, kind, ""]], name, pair]`."""
    pair, rows = message[3], []
    for price, volume, time, side, kind, _ in message[1]:
        seconds, fraction = time.split(".")
        stamp = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
        ids[pair] += 1
        rows.append(
            f'{{"symbol":"{pair}","side":"{"buy" if side == "b" else "sell"}",'
            f'"price":{price},"qty":{volume},"ord_type":"{"market" if kind == "m" else "limit"}",'
            f'"trade_id":{ids[pair]},"timestamp":"{stamp}.{fraction}Z"}}'
        )
    return f'{{"channel":"trade","type":"update","data":[{",".join(rows)}]}}'.encode()


def test_recorded_trades_in_the_shape_of_v2_give_their_values() -> None:
    messages, receive_us = recorded_frames(TRADES)
    contents = [json.loads(message) for message in messages]
    told = [
        (content, time)
        for content, time in zip(contents, receive_us, strict=True)
        if isinstance(content, list)
    ]
    ids: Counter[str] = Counter()

    parsed = parse_stream([as_v2(content, ids) for content, _ in told], [time for _, time in told])

    assert (parsed.data, parsed.trades.height, parsed.rejected.height) == (8, 10, 0)
    assert Counter(parsed.trades["symbol"]) == {"SC/EUR": 6, "XMR/USD": 4}
    assert parsed.trades.select(
        "symbol", "trade_id", "event_time", "price", "quantity", "buyer_is_maker"
    ).rows()[3:5] == [
        (
            "XMR/USD",
            3,
            datetime(2021, 4, 17, 16, 49, 10, 826_417, tzinfo=UTC),
            354.04,
            0.28245396,
            True,
        ),
        (
            "XMR/USD",
            4,
            datetime(2021, 4, 17, 16, 49, 10, 827_816, tzinfo=UTC),
            353.81,
            1.71754604,
            True,
        ),
    ]


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        (TRADES, {"not a message the venue documents": 49}),
        (TICKERS, {"not a message the venue documents": 60}),
        (BOOKS, {"not a message the venue documents": 4_321}),
    ],
)
def test_recorded_frames_of_v1_are_rejected_by_reason(name: str, reasons: dict[str, int]) -> None:
    messages, receive_us = recorded_frames(name)

    parsed = parse_stream(messages, receive_us)

    assert Counter(parsed.rejected["reason"]) == reasons
    assert parsed.rejected_messages == len(messages) == sum(reasons.values())
    assert (parsed.data, parsed.replies, parsed.other) == (0, 0, 0)


def test_recorded_listing_gives_every_instrument_that_is_streamed() -> None:
    body = recorded_answers("KRAKEN.0.gz")["https://api.kraken.com/0/public/AssetPairs"]

    instruments = parse_instruments(body)

    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    # Of 304 pairs 11 are dark pools without a stream.
    assert len(instruments) == len(by_symbol) == 293
    assert by_symbol["BTC/USD"] == Instrument("BTC/USD", trading=True, tick_size=0.1)
    assert by_symbol["DOGE/BTC"] == Instrument("DOGE/BTC", trading=True, tick_size=1e-8)
    assert by_symbol["SC/EUR"] == Instrument("SC/EUR", trading=True, tick_size=1e-5)
