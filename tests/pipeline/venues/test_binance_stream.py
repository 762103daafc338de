from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import REJECTED, TRADES
from pipeline.venues.binance_stream import parse_stream
from pipeline.venues.protocol import Audit

if TYPE_CHECKING:
    from pipeline.venues.protocol import Parsed

# As the venue documents it, with the values of one real trade.
EVENT: dict[str, Any] = {
    "e": "aggTrade",
    "E": 1633998523963,
    "s": "NKNUSDT",
    "a": 15683430,
    "p": "0.35280000",
    "q": "58.00000000",
    "f": 19862790,
    "l": 19862792,
    "T": 1633998523963,
    "m": False,
    "M": True,
}
RECEIVE_US = 1_633_998_523_957_215

AMOUNT = "expected a number of 1e-8 to 9.2e10"


def combined(event: object, stream: str = "nknusdt@aggTrade") -> bytes:
    return json.dumps({"stream": stream, "data": event}).encode()


def parse(*messages: bytes) -> Parsed:
    return parse_stream(messages, [RECEIVE_US + place for place in range(len(messages))])


def counts(parsed: Parsed) -> tuple[int, int, int, int]:
    return parsed.data, parsed.replies, parsed.other, parsed.rejected.height


def test_parse_combined_trade_gives_its_row() -> None:
    parsed = parse(combined(EVENT))

    assert parsed.trades.schema == TRADES
    assert parsed.trades.rows() == [
        (
            "NKNUSDT",
            15683430,
            19862790,
            19862792,
            datetime(2021, 10, 12, 0, 28, 43, 963_000, tzinfo=UTC),
            datetime(2021, 10, 12, 0, 28, 43, 957_215, tzinfo=UTC),
            0.3528,
            58.0,
            False,
        )
    ]
    assert counts(parsed) == (1, 0, 0, 0)


def test_parse_raw_trade_gives_the_row_of_a_combined_one() -> None:
    raw = parse(json.dumps(EVENT).encode())

    assert raw.trades.equals(parse(combined(EVENT)).trades)


def test_parse_time_in_microseconds_is_told_by_magnitude() -> None:
    parsed = parse(combined(EVENT | {"T": 1_633_998_523_963_417}))

    assert parsed.trades["event_time"].to_list() == [
        datetime(2021, 10, 12, 0, 28, 43, 963_417, tzinfo=UTC)
    ]


def test_parse_nothing_gives_empty_frames() -> None:
    parsed = parse()

    assert parsed.trades.schema == TRADES
    assert parsed.rejected.schema == REJECTED
    assert counts(parsed) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"p": "abc"}, f"price: {AMOUNT}"),
        ({"p": ""}, f"price: {AMOUNT}"),
        ({"p": "NaN"}, f"price: {AMOUNT}"),
        ({"p": "Infinity"}, f"price: {AMOUNT}"),
        ({"p": "0.00000000"}, f"price: {AMOUNT}"),
        ({"p": "-1.00000000"}, f"price: {AMOUNT}"),
        ({"p": "0.000000001"}, f"price: {AMOUNT}"),
        ({"p": "1e400"}, f"price: {AMOUNT}"),
        ({"q": "0.00000000"}, f"quantity: {AMOUNT}"),
        ({"q": "92233720369"}, f"quantity: {AMOUNT}"),
        ({"q": "inf"}, f"quantity: {AMOUNT}"),
        ({"f": 19862793}, "first_id: expected at most last_id"),
        ({"T": 0}, "event_time: expected 2010 to 2100, in milliseconds or microseconds"),
        (
            {"T": 1_262_303_999_999},
            "event_time: expected 2010 to 2100, in milliseconds or microseconds",
        ),
        (
            {"T": 4_102_444_800_001},
            "event_time: expected 2010 to 2100, in milliseconds or microseconds",
        ),
        (
            {"T": 4_102_444_799_999},
            "event_time: expected at most an hour after it was received",
        ),
        ({"p": 0.3528}, "aggTrade: Expected `str`, got `float` - at `$.p`"),
        ({"a": "15683430"}, "aggTrade: Expected `int`, got `str` - at `$.a`"),
        ({"a": -1}, "aggTrade: Expected `int` >= 0 - at `$.a`"),
        ({"f": -1}, "aggTrade: Expected `int` >= 0 - at `$.f`"),
        ({"l": 2**63}, "aggTrade: Expected `int` <= 9223372036854775807 - at `$.l`"),
        ({"T": None}, "aggTrade: Expected `int`, got `null` - at `$.T`"),
        ({"m": 1}, "aggTrade: Expected `bool`, got `int` - at `$.m`"),
        ({"s": ""}, "aggTrade: Expected `str` of length >= 1 - at `$.s`"),
        ({"e": "trade"}, "aggTrade: Invalid enum value 'trade' - at `$.e`"),
    ],
)
def test_parse_unsound_trade_is_rejected_with_its_reason(
    change: dict[str, object], reason: str
) -> None:
    event = EVENT | change
    parsed = parse(combined(event))

    assert counts(parsed) == (0, 0, 0, 1)
    assert parsed.rejected.row(0) == (
        event["s"],
        reason,
        combined(event).decode()[:200],
        datetime(2021, 10, 12, 0, 28, 43, 957_215, tzinfo=UTC),
    )


@pytest.mark.parametrize("name", ["s", "a", "p", "q", "f", "l", "T", "m"])
def test_parse_trade_without_a_field_is_rejected_by_its_name(name: str) -> None:
    event = {key: value for key, value in EVENT.items() if key != name}

    parsed = parse(combined(event))

    assert parsed.rejected["reason"].to_list() == [
        f"aggTrade: Object missing required field `{name}`"
    ]


def test_parse_trade_of_a_symbol_that_is_no_text_is_rejected_without_one() -> None:
    parsed = parse(combined(EVENT | {"s": 5}))

    assert parsed.rejected.select("symbol", "reason").rows() == [
        (None, "aggTrade: Expected `str`, got `int` - at `$.s`")
    ]


def test_parse_smallest_and_largest_amounts_of_the_venue_are_sound() -> None:
    parsed = parse(
        combined(EVENT | {"p": "0.00000001", "q": "92233720368.00000000"}),
        combined(EVENT | {"T": 1_262_304_000_000}),
    )

    assert parsed.trades.select("price", "quantity").row(0) == (1e-8, 92233720368.0)
    assert parsed.data == 2


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "invalid JSON: Input data was truncated"),
        (b'{"stream":"a@aggTrade","data":{"e":"aggT', "invalid JSON: Input data was truncated"),
        (b"[" * 100_000, "invalid JSON: maximum recursion depth exceeded"),
        (b'{"e":"\xff"}', "invalid JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'"text"', "not a message the venue documents"),
        (b"null", "not a message the venue documents"),
        (b"[]", "not a message the venue documents"),
        (b"{}", "not a message the venue documents"),
        (b'{"e":5}', "not a message the venue documents"),
        (combined(None), "aggTrade: Expected `object`, got `null`"),
    ],
)
def test_parse_broken_message_is_rejected_without_a_symbol(message: bytes, reason: str) -> None:
    parsed = parse(message)

    symbol, found, payload, _ = parsed.rejected.row(0)
    assert counts(parsed) == (0, 0, 0, 1)
    assert symbol is None
    assert found.startswith(reason)
    assert payload == message[:200].decode(errors="replace")


def test_parse_broken_message_costs_nothing_but_itself() -> None:
    parsed = parse(
        combined(EVENT),
        combined(EVENT | {"a": 2, "p": "0"}),
        # Joined, these two would be one valid object.
        b'{"stream":"x"',
        b'"data":1}',
        json.dumps(EVENT | {"a": 3}).encode(),
        combined(EVENT | {"a": 4}),
    )

    assert parsed.trades["trade_id"].to_list() == [15683430, 3, 4]
    assert [time.microsecond for time in parsed.trades["receive_time"]] == [957215, 957219, 957220]
    assert [time.microsecond for time in parsed.rejected["receive_time"]] == [
        957216,
        957217,
        957218,
    ]
    assert counts(parsed) == (3, 0, 0, 3)


@pytest.mark.parametrize(
    ("message", "refusals"),
    [
        (b'{"result":null,"id":1}', ()),
        (b'{"result":["btcusdt@aggTrade"],"id":3}', ()),
        (
            b'{"error":{"code":4,"msg":"Too many subscriptions"},"id":19}',
            ("code 4: Too many subscriptions",),
        ),
        (b'{"code":0,"msg":"Unknown property","id":5}', ("code 0: Unknown property",)),
    ],
)
def test_parse_reply_is_counted_and_an_error_is_told(
    message: bytes, refusals: tuple[str, ...]
) -> None:
    parsed = parse(message)

    assert counts(parsed) == (0, 1, 0, 0)
    assert parsed.refusals == refusals


@pytest.mark.parametrize(
    "message",
    [
        b'{"e":"serverShutdown","E":1633998523963}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1633998523963}}',
    ],
)
def test_parse_announced_shutdown_says_closing(message: bytes) -> None:
    parsed = parse(message, combined(EVENT))

    assert parsed.closing
    assert counts(parsed) == (1, 0, 1, 0)


@pytest.mark.parametrize(
    "message",
    [
        combined({"e": "depthUpdate", "s": "NKNUSDT", "U": 1, "u": 2}, "nknusdt@depth"),
        combined({"u": 1, "s": "NKNUSDT", "b": "1", "B": "1"}, "nknusdt@bookTicker"),
        combined([{"e": "24hrMiniTicker"}], "!miniTicker@arr"),
        b'{"e":"kline","s":"NKNUSDT"}',
        b'{"u":1,"s":"NKNUSDT","b":"1","B":"1","a":"2","A":"1"}',
        b'{"lastUpdateId":160,"bids":[],"asks":[]}',
    ],
)
def test_parse_other_kind_is_counted_and_is_not_closing(message: bytes) -> None:
    parsed = parse(message)

    assert counts(parsed) == (0, 0, 1, 0)
    assert not parsed.closing


@st.composite
def mutated_messages(draw: st.DrawFn) -> bytes:
    """A trade with a value replaced or removed, then perhaps with a few bytes replaced."""
    event = dict(EVENT)
    for key in draw(st.sets(st.sampled_from(sorted(EVENT)), max_size=2)):
        value = draw(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text("Aé{\0", max_size=8)  # all of Unicode is slow to start
            | st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
        )
        event[key] = value
    message = bytearray(combined(event) if draw(st.booleans()) else json.dumps(event).encode())
    for _ in range(draw(st.integers(0, 3))):
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    return bytes(message[: draw(st.integers(0, len(message)))] if draw(st.booleans()) else message)


@given(st.lists(mutated_messages() | st.binary(max_size=40), max_size=6))
def test_parse_any_messages_counts_each_once(messages: list[bytes]) -> None:
    parsed = parse(*messages)

    assert sum(counts(parsed)) == len(messages)
    assert parsed.trades.height == parsed.data
    assert parsed.trades.null_count().row(0) == (0,) * len(TRADES)


@given(st.lists(mutated_messages(), max_size=6), st.integers(0, 6))
def test_parse_in_two_batches_gives_what_one_gives(messages: list[bytes], cut: int) -> None:
    times = list(range(RECEIVE_US, RECEIVE_US + len(messages)))

    whole = parse_stream(messages, times)
    head = parse_stream(messages[:cut], times[:cut])
    tail = parse_stream(messages[cut:], times[cut:])

    assert head.trades.vstack(tail.trades).equals(whole.trades)
    assert head.rejected.vstack(tail.rejected).equals(whole.rejected)


def test_answer_to_an_audit_tells_the_symbols_whose_trades_are_subscribed() -> None:
    parsed = parse(
        b'{"result":["btcusdt@aggTrade","ethusdt@depth","x","solusdt@aggTrade"],"id":1007}',
        b'{"result":[],"id":1008}',
        b'{"result":["btcusdt@aggTrade"],"id":null}',
        b'{"result":null,"id":1}',
    )
    assert parsed.audits == (
        Audit(1007, frozenset({"BTCUSDT", "SOLUSDT"})),
        Audit(1008, frozenset()),
    )
    assert parsed.replies == 4
