"""What Binance really sent, read by our parser and, independently, by the standard library."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.errors import VenueError
from pipeline.venues.binance_rest import parse_instruments, parse_time, parse_trades
from pipeline.venues.binance_stream import parse_stream
from pipeline.venues.protocol import Instrument
from tests.recorded import DATA, needs_recordings, recorded_answers, recorded_frames

# Any time after the recorded trades.
RECEIVE_US = 1_700_000_000_000_000

pytestmark = needs_recordings


def recorded_trades() -> list[dict[str, Any]]:
    """Return real trades: the venue's own object as `info`, and what another client made of it."""
    packed = (DATA / "ticks-freqtrade" / "XRP_OLD-trades.json.gz").read_bytes()
    trades: list[dict[str, Any]] = json.loads(gzip.decompress(packed))
    return trades


@pytest.mark.parametrize(
    ("name", "trades", "others"),
    [
        ("BINANCE.ws.1.0.gz", 2, 263),
        ("BINANCE_US.ws.1.0.gz", 11, 469),
        ("BINANCE_TR.ws.1.0.gz", 0, 139),
        ("BINANCE_FUTURES.ws.1.0.gz", 91, 1_444),
    ],
)
def test_recorded_frames_are_all_accounted_for(name: str, trades: int, others: int) -> None:
    messages, receive_us = recorded_frames(name)
    kinds = Counter(json.loads(message)["data"].get("e") for message in messages)

    parsed = parse_stream(messages, receive_us)

    assert parsed.data == kinds["aggTrade"] == trades
    assert parsed.other == len(messages) - kinds["aggTrade"] == others
    assert (parsed.replies, parsed.rejected.height, parsed.closing) == (0, 0, False)


def test_recorded_trades_of_the_stream_give_the_values_in_it() -> None:
    parsed = parse_stream(*recorded_frames("BINANCE.ws.1.0.gz"))

    assert parsed.trades.rows() == [
        (
            "NKNUSDT",
            15683430,
            19862790,
            19862790,
            datetime(2021, 10, 12, 0, 28, 43, 963_000, tzinfo=UTC),
            datetime(2021, 10, 12, 0, 28, 43, 957_215, tzinfo=UTC),
            0.3528,
            58.0,
            False,
        ),
        (
            "LRCBTC",
            9213679,
            12368013,
            12368013,
            datetime(2021, 10, 12, 0, 28, 54, 486_000, tzinfo=UTC),
            datetime(2021, 10, 12, 0, 28, 54, 481_201, tzinfo=UTC),
            0.00000638,
            177.0,
            False,
        ),
    ]


def test_recorded_listing_gives_every_instrument() -> None:
    body = recorded_answers("BINANCE.0.gz")["https://api.binance.com/api/v3/exchangeInfo"]

    instruments = parse_instruments(body)

    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    assert len(instruments) == len(by_symbol) == 1695
    assert sum(instrument.trading for instrument in instruments) == 1262
    assert by_symbol["BTCUSDT"] == Instrument(
        "BTCUSDT", trading=True, tick_size=0.01, quote_asset="USDT", code="BTCUSDT"
    )
    assert by_symbol["NKNUSDT"] == Instrument(
        "NKNUSDT", trading=True, tick_size=0.0001, quote_asset="USDT", code="NKNUSDT"
    )
    assert parse_time(body) == 1_633_998_511_098_000


def test_recorded_answers_of_another_kind_are_no_page_of_trades() -> None:
    answers = recorded_answers("BINANCE.http.0.0.gz")

    assert len(answers) == 4
    for body in answers.values():
        with pytest.raises(VenueError, match="expected a page of trades"):
            parse_trades(body, "NKNUSDT", 0)


def test_recorded_history_gives_what_another_client_made_of_it() -> None:
    recorded = recorded_trades()
    body = json.dumps([trade["info"] for trade in recorded]).encode()

    trades = parse_trades(body, "XRPETH", RECEIVE_US)

    assert trades.height == 12_477
    assert trades["trade_id"].to_list() == list(range(13_519_807, 13_532_284))
    assert trades["price"].to_list() == [trade["price"] for trade in recorded]
    assert trades["quantity"].to_list() == [trade["amount"] for trade in recorded]
    assert trades["event_time"].dt.timestamp("ms").to_list() == [
        trade["timestamp"] for trade in recorded
    ]
    assert trades["buyer_is_maker"].to_list() == [trade["side"] == "sell" for trade in recorded]
    # Raw trades are numbered without a hole, which ties the two ids of every row.
    assert (trades["first_id"][1:] == trades["last_id"][:-1] + 1).all()


def test_recorded_history_as_a_stream_gives_the_same_rows() -> None:
    recorded = [trade["info"] for trade in recorded_trades()]
    events = [{"e": "aggTrade", "E": trade["T"], "s": "XRPETH"} | trade for trade in recorded]
    messages = [
        json.dumps({"stream": "xrpeth@aggTrade", "data": event}).encode() for event in events
    ]

    parsed = parse_stream(messages, [RECEIVE_US] * len(messages))

    assert parsed.data == 12_477
    assert parsed.trades.equals(parse_trades(json.dumps(recorded).encode(), "XRPETH", RECEIVE_US))
