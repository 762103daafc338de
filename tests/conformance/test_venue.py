"""What every venue has to do, whatever its protocol is."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.durations import HOUR, MINUTE, SECOND
from pipeline.errors import VenueError
from pipeline.schema import REJECTED, TRADES
from pipeline.venues.protocol import Continuity, Instrument
from pipeline.venues.registry import VENUES, symbol_form, venue_for
from pipeline.venues.rows import Rejection
from tests.conformance.venue_samples import SAMPLES, Samples

if TYPE_CHECKING:
    from pipeline.venues.protocol import Parsed, Venue

WEBSOCKET_URL, REST_URL = "wss://stream.example:9443", "https://api.example:8443"

#: When the sample trades were matched and, a while later, received.
EVENT_US = 1_633_998_523_963_000
RECEIVE_US = 1_700_000_000_000_000


def venue_named(name: str, book_levels: int | None = None) -> Venue:
    return venue_for(name, websocket_url=WEBSOCKET_URL, rest_url=REST_URL, book_levels=book_levels)


@pytest.fixture(params=VENUES)
def booked(request: pytest.FixtureRequest) -> Venue:
    """Return a venue whose books are wanted, too."""
    return venue_named(request.param, 10)


@pytest.fixture(params=VENUES)
def venue(request: pytest.FixtureRequest) -> Venue:
    return venue_named(request.param)


@pytest.fixture
def samples(venue: Venue) -> Samples:
    return SAMPLES[venue.name]


def parse(venue: Venue, *messages: bytes) -> Parsed:
    return venue.parse(messages, [RECEIVE_US + place for place in range(len(messages))])


def counts(parsed: Parsed) -> tuple[int, int, int, int]:
    return parsed.data, parsed.replies, parsed.other, parsed.rejected_messages


def test_venue_survives_the_trip_to_another_process(venue: Venue) -> None:
    assert pickle.loads(pickle.dumps(venue)) == venue  # noqa: S301 - our own bytes


def test_venue_states_how_its_rows_follow_each_other(venue: Venue) -> None:
    assert isinstance(venue.continuity, Continuity)


def test_symbol_is_written_as_a_configuration_takes_it(venue: Venue, samples: Samples) -> None:
    form = symbol_form(venue.name)

    assert form.matches(samples.symbol)
    assert form.matches(form.example)
    for symbol in (samples.symbol, form.example):
        config = Config.model_validate({"venue": {"name": venue.name}, "symbols": [symbol]})
        assert config.symbols == (symbol,)


def test_symbol_is_the_same_on_the_stream_in_the_listing_and_in_a_page(
    venue: Venue, samples: Samples
) -> None:
    streamed = parse(venue, samples.trade).trades["symbol"].to_list()
    listed = [instrument.symbol for instrument in venue.parse_instruments(samples.listing)]
    paged = venue.parse_trades(samples.page, samples.symbol, RECEIVE_US)["symbol"].to_list()

    assert streamed == [samples.symbol]
    assert samples.symbol in listed
    assert paged == [samples.symbol] * 2


def test_connection_carries_every_symbol_once(venue: Venue) -> None:
    slash = "/" if symbol_form(venue.name).slash else ""
    symbols = [f"COIN{number:03}{slash}USDT" for number in range(1000)]

    connection = venue.connection(symbols)

    asked = (unquote(connection.url) + "".join(connection.on_open)).upper()
    assert connection.url.startswith(f"{WEBSOCKET_URL}/")
    assert [asked.count(symbol) for symbol in symbols] == [1] * 1000
    assert all(isinstance(json.loads(message), dict) for message in connection.on_open)


def test_requests_go_to_the_given_address_and_have_a_weight(venue: Venue, samples: Samples) -> None:
    symbol = samples.symbol
    requests = [
        venue.time_request(),
        venue.instruments_request([symbol]),
        venue.trades_request(symbol),
        venue.trades_request(symbol, start_us=SECOND),
        venue.bars_request(symbol, every_us=MINUTE, start_us=0, end_us=MINUTE),
    ]

    assert all(request.url.startswith(f"{REST_URL}/") for request in requests)
    assert all(request.weight > 0 for request in requests)
    assert len({request.url for request in requests}) == len(requests)


def test_requests_are_ascii_with_every_name_quoted(venue: Venue, samples: Samples) -> None:
    for request in (
        venue.trades_request(samples.symbol, from_id=1, start_us=SECOND),
        venue.bars_request(samples.symbol, every_us=MINUTE, start_us=0, end_us=MINUTE),
    ):
        assert request.url.isascii()
        assert "/" not in urlsplit(request.url).query


def test_trades_are_asked_for_from_a_trade_on_by_its_id_or_its_time(
    venue: Venue, samples: Samples
) -> None:
    symbol = samples.symbol
    first = venue.trades_request(symbol, from_id=12345, start_us=EVENT_US)
    later_id = venue.trades_request(symbol, from_id=12346, start_us=EVENT_US)
    later_time = venue.trades_request(symbol, from_id=12345, start_us=EVENT_US + SECOND)

    # One of the two moves the page; the other says nothing.
    assert len({first.url, later_id.url, later_time.url}) == 2


def test_control_messages_name_what_they_are_about_and_their_request(
    venue: Venue, samples: Samples
) -> None:
    symbols = [samples.symbol, samples.symbol.replace("BTC", "ETH")]
    subscribe = venue.subscribe_message(symbols, 1234)
    unsubscribe = venue.unsubscribe_message(symbols, 1234)
    for message in (subscribe, unsubscribe):
        assert [message.upper().count(text) for text in (*symbols, "1234")] == [1, 1, 1]
    assert subscribe != unsubscribe
    audit = venue.audit_message(1234)
    assert audit is None or "1234" in audit


def test_limits_allow_something_and_an_answer_without_headers_says_no_weight(venue: Venue) -> None:
    limits = venue.limits
    assert min(limits.weight, limits.connections) > 0
    assert limits.messages > 1
    assert venue.used_weight({}) is None


def test_pages_hold_more_than_one_row(venue: Venue) -> None:
    assert venue.trades_page > 1
    assert venue.bars_page > 1


def test_page_of_trades_is_in_id_order(venue: Venue, samples: Samples) -> None:
    trades = venue.parse_trades(samples.page, samples.symbol, RECEIVE_US)

    assert trades.schema == TRADES
    assert trades["trade_id"].to_list() == [12345, 12346]
    assert trades["event_time"].to_physical().to_list() == [EVENT_US] * 2
    assert trades["receive_time"].to_physical().to_list() == [RECEIVE_US] * 2
    assert trades.select("price", "quantity", "buyer_is_maker").unique().rows() == [
        (0.001, 100.0, True)
    ]


def test_page_of_a_market_without_trades_is_empty(venue: Venue, samples: Samples) -> None:
    trades = venue.parse_trades(samples.no_trades, samples.symbol, RECEIVE_US)

    assert trades.schema == TRADES
    assert trades.is_empty()


def test_page_and_stream_tell_a_trade_alike(venue: Venue, samples: Samples) -> None:
    streamed = parse(venue, samples.trade).trades
    paged = venue.parse_trades(samples.page, samples.symbol, RECEIVE_US).head(1)

    assert streamed.equals(paged)


def test_listing_tells_what_trades(venue: Venue, samples: Samples) -> None:
    listed = {
        instrument.symbol: instrument for instrument in venue.parse_instruments(samples.listing)
    }

    assert isinstance(listed[samples.symbol], Instrument)
    assert [instrument.trading for instrument in listed.values()] == [True, False]
    assert all(instrument.tick_size > 0 for instrument in listed.values())


def test_volumes_of_a_day_are_found_by_the_code_of_the_listing(
    venue: Venue, samples: Samples
) -> None:
    codes = {one.symbol: one.code for one in venue.parse_instruments(samples.listing)}
    assert venue.parse_volumes(samples.volumes) == {codes[samples.symbol]: 30_000.0}


@pytest.mark.parametrize("found", [b"NaN", b"-1", b"Infinity", b"1e999", b""])
def test_volumes_that_cannot_be_ranked_are_refused(
    venue: Venue, samples: Samples, found: bytes
) -> None:
    body = samples.no_volume.replace(b"NaN", found)
    with pytest.raises(VenueError, match="expected the tickers of a day, found"):
        venue.parse_volumes(body)


def test_clock_is_told_in_whole_steps(venue: Venue, samples: Samples) -> None:
    assert venue.parse_time(samples.time) == 1_633_998_523_000_000
    assert 0 < venue.clock_step_us <= SECOND
    assert venue.parse_time(samples.time) % venue.clock_step_us == 0


def test_bars_of_an_odd_length_are_refused_by_the_venue(venue: Venue, samples: Samples) -> None:
    with pytest.raises(VenueError, match=f"{venue.name}: expected a bar length .*, found 17s"):
        venue.bars_request(samples.symbol, every_us=17 * SECOND, start_us=0, end_us=HOUR)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b'{"code":-1000,"msg":"x"}', b"\xff", b"[" * 100_000, b"5", b"{}"],
    ids=repr,
)
def test_answers_that_are_something_else_raise(venue: Venue, samples: Samples, body: bytes) -> None:
    with pytest.raises(VenueError):
        venue.parse_time(body)
    with pytest.raises(VenueError):
        venue.parse_instruments(body)
    with pytest.raises(VenueError):
        venue.parse_trades(body, samples.symbol, 0)
    with pytest.raises(VenueError):
        venue.parse_bars(body, samples.symbol)


def test_parse_trade_gives_its_row_in_utc_microseconds(venue: Venue, samples: Samples) -> None:
    parsed = parse(venue, samples.trade)

    assert parsed.trades.schema == TRADES
    row = parsed.trades.with_columns(
        parsed.trades["event_time"].to_physical(), parsed.trades["receive_time"].to_physical()
    ).row(0, named=True)
    assert row["first_id"] <= row["last_id"]
    del row["first_id"], row["last_id"]
    assert row == {
        "symbol": samples.symbol,
        "trade_id": 12345,
        "event_time": EVENT_US,
        "receive_time": RECEIVE_US,
        "price": 0.001,
        "quantity": 100.0,
        "buyer_is_maker": True,
    }
    assert counts(parsed) == (1, 0, 0, 0)


def test_parse_unsound_trade_is_rejected_with_its_symbol_and_a_reason(
    venue: Venue, samples: Samples
) -> None:
    parsed = parse(venue, samples.trade, samples.unsound)

    assert counts(parsed) == (1, 0, 0, 1)
    assert parsed.rejected.select("symbol", "reason").rows() == [
        (samples.symbol, "price: expected a number of 1e-8 to 9.2e10")
    ]
    assert parsed.rejected["receive_time"].to_physical().to_list() == [RECEIVE_US + 1]


def test_parse_replies_are_matched_and_refusals_told(venue: Venue, samples: Samples) -> None:
    parsed = parse(venue, samples.acknowledgement, samples.refusal)

    assert counts(parsed) == (0, 2, 0, 0)
    assert len(parsed.refusals) == 1


def test_parse_other_kinds_are_counted_as_other(venue: Venue, samples: Samples) -> None:
    parsed = parse(venue, *samples.others)

    assert counts(parsed) == (0, 0, len(samples.others), 0)


@pytest.mark.parametrize("name", VENUES)
@given(st.data())
def test_parse_counts_every_message_once(name: str, data: st.DataObject) -> None:
    venue, samples = venue_named(name), SAMPLES[name]
    known = [samples.trade, samples.unsound, samples.acknowledgement, *samples.others]
    messages = data.draw(
        st.lists(st.sampled_from(known) | st.binary(max_size=30), max_size=6), "messages"
    )

    parsed = parse(venue, *messages)

    sound = [
        RECEIVE_US + place for place, message in enumerate(messages) if message == samples.trade
    ]
    assert parsed.data == parsed.trades.height == len(sound)
    assert sum(counts(parsed)) == len(messages)
    assert parsed.rejected_messages == parsed.rejected.height
    assert (parsed.trades.schema, parsed.rejected.schema) == (TRADES, REJECTED)
    assert parsed.trades["receive_time"].to_physical().to_list() == sound
    assert parsed.rejected["reason"].null_count() == 0
    assert (parsed.rejected["reason"].str.len_chars() > 0).all()
    assert parsed.rejected["receive_time"].is_sorted()


@pytest.mark.parametrize("name", VENUES)
@given(st.data())
def test_parse_in_two_batches_gives_what_one_gives(name: str, data: st.DataObject) -> None:
    venue, samples = venue_named(name), SAMPLES[name]
    known = st.sampled_from([samples.trade, samples.unsound, samples.refusal])
    messages = data.draw(st.lists(known | st.binary(max_size=10), max_size=6), "messages")
    cut = data.draw(st.integers(0, len(messages)), "cut")
    times = [RECEIVE_US + place for place in range(len(messages))]

    whole = venue.parse(messages, times)
    head = venue.parse(messages[:cut], times[:cut])
    tail = venue.parse(messages[cut:], times[cut:])

    assert head.trades.vstack(tail.trades).equals(whole.trades)
    assert head.rejected.vstack(tail.rejected).equals(whole.rejected)
    assert head.refusals + tail.refusals == whole.refusals


def test_connection_with_books_carries_both_of_every_symbol(booked: Venue) -> None:
    slash = "/" if symbol_form(booked.name).slash else ""
    symbols = [f"COIN{number:03}{slash}USDT" for number in range(500)]

    connection = booked.connection(symbols)

    asked = (unquote(connection.url) + "".join(connection.on_open)).upper()
    assert [asked.count(symbol) for symbol in symbols] == [2] * 500


def test_messages_about_books_are_told_from_all_others_by_their_beginning(booked: Venue) -> None:
    samples = SAMPLES[booked.name]
    others = (
        samples.trade,
        samples.unsound,
        samples.acknowledgement,
        samples.refusal,
        b"",
        b"\xff",
    )
    assert all(booked.is_book(message) for message in (*samples.book, samples.unsound_book))
    assert not any(booked.is_book(message) for message in others)


def test_book_of_messages_and_snapshot_is_synced_and_right(booked: Venue) -> None:
    samples = SAMPLES[booked.name]
    book = booked.new_book()
    events = []
    for message in samples.book:
        found = booked.parse_book(message)
        assert not isinstance(found, Rejection)
        events += found
    if samples.snapshot is None:
        assert booked.snapshot_request(samples.symbol) is None
    else:
        events.insert(1, booked.parse_snapshot(samples.snapshot, samples.symbol))
    assert {event.symbol for event in events} == {samples.symbol}
    for event in events:
        book.apply(event)

    assert book.synced
    best = [[str(number) for number in side.best(1)[0]] for side in (book.bids, book.asks)]
    assert best == [["9.50", "3"], ["10.00", "1"]]
    assert book.knows(10)


def test_messages_about_books_that_cannot_be_read_are_rejected_with_a_reason(
    booked: Venue,
) -> None:
    samples = SAMPLES[booked.name]
    unsound = booked.parse_book(samples.unsound_book)
    assert isinstance(unsound, Rejection)
    assert unsound.symbol == samples.symbol
    for message in (samples.trade, samples.book[0][:-1], b"", b"\xff", b"[" * 100_000):
        found = booked.parse_book(message)
        assert isinstance(found, Rejection)
        assert found.reason


def test_request_for_a_book_names_the_symbol_and_answers_of_something_else_raise(
    booked: Venue,
) -> None:
    samples = SAMPLES[booked.name]
    request = booked.snapshot_request(samples.symbol)
    if request is not None:
        assert request.url.startswith(f"{REST_URL}/")
        assert samples.symbol in request.url
        assert request.weight > 0
    for body in (b"", b"<html>busy</html>", b"{}", b"[" * 100_000):
        with pytest.raises(VenueError):
            booked.parse_snapshot(body, samples.symbol)


def test_messages_that_ask_for_books_anew_name_their_symbols(booked: Venue) -> None:
    symbols = [SAMPLES[booked.name].symbol, SAMPLES[booked.name].symbol.replace("BTC", "ETH")]
    messages = booked.book_messages(symbols, 1234)
    assert [messages[-1].upper().count(symbol) for symbol in symbols] == [1, 1]
    assert "1234" in messages[0]


def test_venue_has_books_only_where_they_are_wanted(venue: Venue) -> None:
    assert venue.book_levels is None
    assert venue_named(venue.name, 7).book_levels == 7
