from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import pytest

from pipeline.orderbook import Change, ChecksumBook, Outcome, Snapshot
from pipeline.venues.kraken_book import checksum, parse_book
from pipeline.venues.rows import Rejection
from tests.kraken_frames import book_frames
from tests.recorded import needs_recordings

# The example of the venue's guide to its checksum.
EXAMPLE = b"""{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[
{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015},
{"price":45282.1,"qty":0.10000000},{"price":45281.0,"qty":0.10000000},
{"price":45280.3,"qty":1.54592586},{"price":45279.0,"qty":0.07990000},
{"price":45277.6,"qty":0.03310103},{"price":45277.5,"qty":0.30000000},
{"price":45277.3,"qty":1.54602737},{"price":45276.6,"qty":0.15445238}],"asks":[
{"price":45285.2,"qty":0.00100000},{"price":45286.4,"qty":1.54571953},
{"price":45286.6,"qty":1.54571109},{"price":45289.6,"qty":1.54560911},
{"price":45290.2,"qty":0.15890660},{"price":45291.8,"qty":1.54553491},
{"price":45294.7,"qty":0.04454749},{"price":45296.1,"qty":0.35380000},
{"price":45297.5,"qty":0.09945542},{"price":45299.5,"qty":0.18772827}],
"checksum":3310070434}]}"""


def events(message: bytes) -> list[Snapshot | Change]:
    parsed = parse_book(message)
    assert isinstance(parsed, list)
    return parsed


def test_parse_snapshot_keeps_the_digits_as_sent() -> None:
    (event,) = events(EXAMPLE)

    assert isinstance(event, Snapshot)
    assert (event.symbol, len(event.bids), len(event.asks)) == ("BTC/USD", 10, 10)
    assert [str(number) for number in event.bids[3]] == ["45281.0", "0.10000000"]
    assert event.checksum == 3310070434


@pytest.mark.parametrize("quoted", [False, True])
def test_checksum_of_the_documented_example_is_the_documented_one(*, quoted: bool) -> None:
    # The guide shows numbers as text, too.
    text = re.sub(rb'"(price|qty)":([0-9.]+)', rb'"\1":"\2"', EXAMPLE)
    message = text if quoted else EXAMPLE
    (event,) = events(message)

    assert checksum(event.asks, event.bids) == 3310070434
    assert ChecksumBook(10, checksum).apply(event) is Outcome.APPLIED


def test_example_with_one_digit_changed_is_a_mismatch() -> None:
    (event,) = events(EXAMPLE.replace(b"0.15445238", b"0.15445239"))

    assert ChecksumBook(10, checksum).apply(event) is Outcome.MISMATCH


def test_checksum_of_a_price_below_one_and_of_a_power_strips_zeros() -> None:
    level = [(Decimal("0.05000"), Decimal("0.00000304")), (Decimal("1E-7"), Decimal(2))]

    # The CRC32 of "5000" + "304" + "1" + "2".
    assert checksum(level, []) == 2_419_671_352


def test_parse_update_of_two_books_gives_two_changes() -> None:
    message = (
        b'{"channel":"book","type":"update","data":['
        b'{"symbol":"A/USD","bids":[{"price":1.50,"qty":0}],"asks":[],"checksum":1},'
        b'{"symbol":"B/USD","bids":[],"asks":[],"checksum":2}]}'
    )

    assert events(message) == [
        Change("A/USD", [(Decimal("1.5"), Decimal(0))], [], checksum=1),
        Change("B/USD", [], [], checksum=2),
    ]


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        ('{"price":0,"qty":1}', "book: expected prices above zero and sizes of zero or more"),
        ('{"price":-1,"qty":1}', "book: expected prices above zero"),
        ('{"price":1,"qty":-1}', "book: expected prices above zero"),
        ('{"price":"NaN","qty":1}', "book: expected prices above zero"),
        ('{"price":"Infinity","qty":1}', "book: expected prices above zero"),
        ('{"price":1e400,"qty":1}', "book: expected prices above zero"),
        ('{"price":1e-400,"qty":1}', "book: expected prices above zero"),
        ('{"price":1,"qty":-0.0}', "book: expected prices above zero"),
        ('{"price":1,"qty":0e-400}', "book: expected prices above zero"),
        ('{"price":1,"qty":1e-400}', "book: expected prices above zero"),
        ('{"price":1,"qty":1e21}', "book: expected prices above zero"),
        ('{"price":1,"qty":"sNaN"}', "book: expected prices above zero"),
        ('{"price":1,"qty":null}', "book: Expected `decimal`, got `null`"),
        ('{"price":1}', "book: Object missing required field `qty`"),
    ],
)
def test_parse_unsound_level_is_rejected_with_its_reason(level: str, reason: str) -> None:
    message = (
        f'{{"channel":"book","type":"update","data":[{{"symbol":"A/USD","bids":[{level}],'
        f'"asks":[],"checksum":1}}]}}'
    )

    rejection = parse_book(message.encode())

    assert isinstance(rejection, Rejection)
    assert rejection.reason.startswith(reason)


@pytest.mark.parametrize(
    "message", [b'{"channel":"heartbeat"}', b'{"channel":"trade","data":[]}', b"[]", b"5"]
)
def test_parse_of_another_kind_is_none(message: bytes) -> None:
    assert parse_book(message) is None


@pytest.mark.parametrize("message", [b"", b"[" * 100_000, b'{"channel":"book","x":"\xff"}'])
def test_parse_of_what_is_no_json_is_a_rejection(message: bytes) -> None:
    assert isinstance(parse_book(message), Rejection)


@needs_recordings
def test_recorded_books_have_every_checksum_the_venue_sent() -> None:
    books: dict[str, ChecksumBook] = {}
    outcomes: Counter[tuple[str, Outcome]] = Counter()
    checked = 0
    for message in book_frames():
        for event in events(message):
            book = books.setdefault(event.symbol, ChecksumBook(1000, checksum))
            outcomes[type(event).__name__, book.apply(event)] += 1
            checked += event.checksum is not None

    assert outcomes == {
        ("Snapshot", Outcome.APPLIED): 10,
        ("Change", Outcome.APPLIED): 4_269,
    }
    assert checked == 4_269
    best = {
        symbol: (book.bids.best(1)[0][0], book.asks.best(1)[0][0]) for symbol, book in books.items()
    }
    assert all(bid < ask for bid, ask in best.values())


@needs_recordings
def test_recorded_book_without_one_of_its_updates_is_found_out() -> None:
    book = ChecksumBook(1000, checksum)
    of_one = [event for message in book_frames() for event in events(message)]
    of_one = [event for event in of_one if event.symbol == "XMR/USD"]
    del of_one[5]

    outcomes = [book.apply(event) for event in of_one]

    assert Outcome.MISMATCH in outcomes
    assert not book.synced
