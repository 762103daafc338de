from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import REJECTED, TRADES
from pipeline.venues.kraken_stream import parse_stream
from pipeline.venues.protocol import Parsed

# As the venue documents them.
BUY: dict[str, Any] = {
    "symbol": "MATIC/USD",
    "side": "buy",
    "price": 0.5147,
    "qty": 6423.46326,
    "ord_type": "limit",
    "trade_id": 4665846,
    "timestamp": "2023-09-25T07:48:36.925533Z",
}
SELL: dict[str, Any] = {
    "symbol": "MATIC/USD",
    "side": "sell",
    "price": 0.5147,
    "qty": 1136.19677815,
    "ord_type": "market",
    "trade_id": 4665847,
    "timestamp": "2023-09-25T07:49:36.925603Z",
}
RECEIVE_US = 1_695_628_177_000_000

AMOUNT = "expected a number of 1e-8 to 9.2e10"

ACK = (
    b'{"method":"subscribe","req_id":1,"result":{"channel":"trade","snapshot":false,'
    b'"symbol":"MATIC/USD"},"success":true,"time_in":"2023-09-25T07:48:36.776000Z",'
    b'"time_out":"2023-09-25T07:48:36.776100Z"}'
)
REFUSAL = (
    b'{"error":"Currency pair not supported AAA/USD","method":"subscribe","success":false,'
    b'"symbol":"AAA/USD","time_in":"2023-09-25T07:48:36.776000Z",'
    b'"time_out":"2023-09-25T07:48:36.776100Z"}'
)
STATUS = (
    b'{"channel":"status","data":[{"api_version":"v2","connection_id":12345,"system":"online",'
    b'"version":"2.0.0"}],"type":"update"}'
)


def update(*trades: object, kind: str = "update") -> bytes:
    return json.dumps({"channel": "trade", "type": kind, "data": trades}).encode()


def parse(*messages: bytes) -> Parsed:
    return parse_stream(messages, [RECEIVE_US + place for place in range(len(messages))])


def counts(parsed: Parsed) -> tuple[int, int, int, int]:
    return parsed.data, parsed.replies, parsed.other, parsed.rejected_messages


def test_parse_trades_of_one_message_gives_a_row_each() -> None:
    parsed = parse(update(BUY, SELL))

    assert parsed.trades.schema == TRADES
    assert parsed.trades.rows() == [
        (
            "MATIC/USD",
            4665846,
            4665846,
            4665846,
            datetime(2023, 9, 25, 7, 48, 36, 925_533, tzinfo=UTC),
            datetime(2023, 9, 25, 7, 49, 37, tzinfo=UTC),
            0.5147,
            6423.46326,
            False,
        ),
        (
            "MATIC/USD",
            4665847,
            4665847,
            4665847,
            datetime(2023, 9, 25, 7, 49, 36, 925_603, tzinfo=UTC),
            datetime(2023, 9, 25, 7, 49, 37, tzinfo=UTC),
            0.5147,
            1136.19677815,
            True,
        ),
    ]
    assert counts(parsed) == (1, 0, 0, 0)


def test_parse_snapshot_gives_the_rows_of_an_update() -> None:
    assert parse(update(BUY, kind="snapshot")).trades.equals(parse(update(BUY)).trades)


def test_parse_whole_number_is_a_price() -> None:
    parsed = parse(update(BUY).replace(b"0.5147", b"5"))

    assert parsed.trades["price"].to_list() == [5.0]


@given(st.decimals(min_value="1e-8", max_value="9e10", places=10))
def test_parse_number_gives_the_double_that_is_nearest_to_its_digits(number: object) -> None:
    text = f"{number:f}"

    parsed = parse(update(BUY).replace(b"0.5147", text.encode()))

    assert parsed.trades["price"].to_list() == [float(text)]


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("36.9255334Z", 925_533), ("36.9255337Z", 925_534), ("36Z", 0), ("36.9+00:00", 900_000)],
)
def test_parse_time_gives_the_nearest_microsecond(text: str, microsecond: int) -> None:
    parsed = parse(update(BUY | {"timestamp": f"2023-09-25T07:48:{text}"}))

    assert parsed.trades["event_time"].to_list() == [
        datetime(2023, 9, 25, 7, 48, 36, microsecond, tzinfo=UTC)
    ]


@given(st.datetimes(datetime(2010, 1, 1), datetime(2023, 9, 25), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_parse_time_loses_no_microsecond(time: datetime) -> None:
    text = time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    assert parse(update(BUY | {"timestamp": text})).trades["event_time"].to_list() == [time]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": 0}, f"price: {AMOUNT}"),
        ({"price": -1}, f"price: {AMOUNT}"),
        ({"price": 1e-9}, f"price: {AMOUNT}"),
        ({"qty": 92233720369}, f"quantity: {AMOUNT}"),
        (
            {"timestamp": "1999-09-25T07:48:36Z"},
            "event_time: expected 2010 to 2100, in milliseconds or microseconds",
        ),
        (
            {"timestamp": "0001-01-01T00:00:00+14:00"},
            "event_time: expected 2010 to 2100, in milliseconds or microseconds",
        ),
        (
            {"timestamp": "2023-09-25T08:49:37.000001Z"},
            "event_time: expected at most an hour after it was received",
        ),
        ({"timestamp": 5}, "trade: Expected `datetime`, got `int` - at `$.timestamp`"),
        ({"timestamp": "today"}, "trade: Invalid RFC3339 encoded datetime - at `$.timestamp`"),
        (
            {"timestamp": "2023-09-25T07:48:36.925533"},
            "trade: Expected `datetime` with a timezone component - at `$.timestamp`",
        ),
        ({"price": "0.5147"}, "trade: Expected `float`, got `str` - at `$.price`"),
        ({"trade_id": 1.5}, "trade: Expected `int`, got `float` - at `$.trade_id`"),
        ({"trade_id": -1}, "trade: Expected `int` >= 0 - at `$.trade_id`"),
        (
            {"trade_id": 2**63},
            "trade: Expected `int` <= 9223372036854775807 - at `$.trade_id`",
        ),
        ({"side": "short"}, "trade: Invalid enum value 'short' - at `$.side`"),
        ({"symbol": ""}, "trade: Expected `str` of length >= 1 - at `$.symbol`"),
    ],
)
def test_parse_unsound_trade_costs_nothing_but_itself(
    change: dict[str, object], reason: str
) -> None:
    broken = SELL | change

    parsed = parse(update(BUY, broken))

    assert parsed.trades["trade_id"].to_list() == [4665846]
    assert parsed.rejected.select("symbol", "reason", "receive_time").rows() == [
        (broken["symbol"], reason, datetime(2023, 9, 25, 7, 49, 37, tzinfo=UTC))
    ]
    assert "4665846" not in parsed.rejected["payload"][0]
    assert counts(parsed) == (1, 0, 0, 0)


def test_parse_message_without_a_sound_trade_is_a_rejected_one() -> None:
    parsed = parse(update(BUY), update(BUY | {"price": 0}, SELL | {"side": None}), update(SELL))

    assert parsed.trades["trade_id"].to_list() == [4665846, 4665847]
    assert sorted(parsed.rejected["reason"]) == [
        f"price: {AMOUNT}",
        "trade: Expected `str`, got `null` - at `$.side`",
    ]
    assert counts(parsed) == (2, 0, 0, 1)


@pytest.mark.parametrize("name", ["symbol", "side", "price", "qty", "trade_id", "timestamp"])
def test_parse_trade_without_a_field_is_rejected_by_its_name(name: str) -> None:
    trade = {key: value for key, value in BUY.items() if key != name}

    parsed = parse(update(trade))

    assert parsed.rejected["reason"].to_list() == [f"trade: Object missing required field `{name}`"]
    assert parsed.rejected["symbol"].to_list() == [None if name == "symbol" else "MATIC/USD"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "invalid JSON: Input data was truncated"),
        (update(BUY)[:60], "invalid JSON: Input data was truncated"),
        (b"[" * 100_000, "invalid JSON: maximum recursion depth exceeded"),
        (b'{"x":' * 100_000, "invalid JSON: maximum recursion depth exceeded"),
        (b'{"channel":"\xff"}', "invalid JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'"text"', "not a message the venue documents"),
        (b"[]", "not a message the venue documents"),
        (b"{}", "not a message the venue documents"),
        (b'{"channel":5}', "not a message the venue documents"),
        (b'{"channel":"trade"}', "trade: expected a list of them"),
        (b'{"channel":"trade","type":"update","data":{}}', "trade: expected a list of them"),
        (b'{"channel":"trade","type":"update","data":[]}', "trade: expected a list of them"),
        (b'{"channel":"trade","type":"other","data":[1]}', "trade: expected a list of them"),
        (b'{"channel":"trade","type":"update","data":[1]}', "trade: Expected `object`, got `int`"),
    ],
)
def test_parse_broken_message_is_rejected_without_a_symbol(message: bytes, reason: str) -> None:
    parsed = parse(message, update(BUY))

    assert counts(parsed) == (1, 0, 0, 1)
    assert parsed.rejected["symbol"].to_list() == [None]
    assert parsed.rejected["reason"][0].startswith(reason)


@pytest.mark.parametrize(
    ("message", "refusals"),
    [
        (ACK, ()),
        (b'{"method":"pong","req_id":101,"time_in":"2023-09-24T14:10:23.799685Z"}', ()),
        (REFUSAL, ("subscribe AAA/USD Currency pair not supported AAA/USD",)),
        (b'{"Error":"Exceeded msg rate"}', ("Exceeded msg rate",)),
    ],
)
def test_parse_reply_is_counted_and_an_error_is_told(
    message: bytes, refusals: tuple[str, ...]
) -> None:
    parsed = parse(message)

    assert counts(parsed) == (0, 1, 0, 0)
    assert parsed.refusals == refusals


@pytest.mark.parametrize(
    "message", [b'{"channel":"heartbeat"}', STATUS, b'{"channel":"book","type":"update","data":[]}']
)
def test_parse_other_kind_is_counted_and_is_not_closing(message: bytes) -> None:
    parsed = parse(message)

    assert counts(parsed) == (0, 0, 1, 0)
    assert not parsed.closing


def test_parse_nothing_gives_empty_frames() -> None:
    parsed = parse()

    assert (parsed.trades.schema, parsed.rejected.schema) == (TRADES, REJECTED)
    assert counts(parsed) == (0, 0, 0, 0)


TRADES_IN_MESSAGES = st.lists(
    st.sampled_from(
        [BUY, SELL, BUY | {"price": 0}, SELL | {"side": 1}, BUY | {"timestamp": "?"}, None]
    ),
    max_size=4,
)


@given(st.lists(TRADES_IN_MESSAGES, max_size=6), st.integers(0, 6))
def test_parse_in_two_batches_gives_what_one_gives(batches: list[list[object]], cut: int) -> None:
    messages = [update(*trades) for trades in batches]
    times = list(range(RECEIVE_US, RECEIVE_US + len(messages)))

    whole = parse_stream(messages, times)
    head = parse_stream(messages[:cut], times[:cut])
    tail = parse_stream(messages[cut:], times[cut:])

    assert head.trades.vstack(tail.trades).equals(whole.trades)
    assert head.rejected.vstack(tail.rejected).equals(whole.rejected)
    added = tuple(one + other for one, other in zip(counts(head), counts(tail), strict=True))
    assert added == counts(whole)
    told = sum(max(1, len(trades)) for trades in batches)
    assert whole.trades.height + whole.rejected.height == told
