"""What Kraken really sent; see `tests.kraken_frames` for its shape."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from pipeline.venues.kraken_rest import parse_instruments
from pipeline.venues.kraken_stream import parse_stream
from pipeline.venues.protocol import Instrument
from tests.kraken_frames import BOOKS, TICKERS, TRADES, trade_frames
from tests.recorded import needs_recordings, recorded_answers, recorded_frames

pytestmark = needs_recordings


def test_recorded_trades_in_the_shape_of_v2_give_their_values() -> None:
    parsed = parse_stream(*trade_frames())

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
    assert by_symbol["BTC/USD"] == Instrument(
        "BTC/USD", trading=True, tick_size=0.1, quote_asset="USD", code="XXBTZUSD"
    )
    assert by_symbol["DOGE/BTC"] == Instrument(
        "DOGE/BTC", trading=True, tick_size=1e-8, quote_asset="BTC", code="XXDGXXBT"
    )
    assert by_symbol["SC/EUR"] == Instrument(
        "SC/EUR", trading=True, tick_size=1e-5, quote_asset="EUR", code="SCEUR"
    )
