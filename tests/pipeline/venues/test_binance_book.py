from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.errors import VenueError
from pipeline.orderbook import Change, NumberedBook, Outcome, Snapshot
from pipeline.venues.binance_book import parse_change, parse_depth
from pipeline.venues.rows import Rejection
from tests.recorded import needs_recordings, recorded_answers, recorded_frames

# The examples of the venue's documentation.
EVENT = {
    "e": "depthUpdate",
    "E": 1672515782136,
    "s": "BNBBTC",
    "U": 157,
    "u": 160,
    "b": [["0.0024", "10"]],
    "a": [["0.0026", "100"]],
}
DEPTH = b'{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}'

LEVELS = [(Decimal("0.0024"), Decimal(10))], [(Decimal("0.0026"), Decimal(100))]


@pytest.mark.parametrize("wrapped", [EVENT, {"stream": "bnbbtc@depth", "data": EVENT}])
def test_parse_change_combined_or_raw_gives_its_numbers_and_levels(wrapped: object) -> None:
    assert parse_change(json.dumps(wrapped).encode()) == Change("BNBBTC", *LEVELS, 157, 160)


def test_parse_depth_gives_a_numbered_snapshot() -> None:
    assert parse_depth(DEPTH, "BNBBTC") == Snapshot("BNBBTC", *LEVELS, last_id=160)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"u": 156}, "depthUpdate: expected U of at most u"),
        ({"b": [["-1", "1"]]}, "depthUpdate: expected prices above zero"),
        ({"b": [["NaN", "1"]]}, "depthUpdate: expected prices above zero"),
        ({"b": [["1"]]}, "depthUpdate: Expected `array` of length 2"),
        ({"U": None}, "depthUpdate: Expected `int`, got `null`"),
    ],
)
def test_parse_unsound_change_is_rejected_with_its_reason(
    change: dict[str, object], reason: str
) -> None:
    rejection = parse_change(json.dumps(EVENT | change).encode())

    assert isinstance(rejection, Rejection)
    assert rejection.symbol == "BNBBTC"
    assert rejection.reason.startswith(reason)


@pytest.mark.parametrize("message", [b'{"e":"aggTrade"}', b"[]", b'{"result":null,"id":1}'])
def test_parse_of_another_kind_is_none(message: bytes) -> None:
    assert parse_change(message) is None


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"lastUpdateId":1,"bids":[["0","1"]],"asks":[]}', b"[" * 100_000]
)
def test_parse_of_what_is_no_depth_raises(body: bytes) -> None:
    with pytest.raises(VenueError):
        parse_depth(body, "BNBBTC")


def recorded_depths(venue: str) -> dict[str, Snapshot]:
    answers = recorded_answers(f"{venue}.http.0.0.gz")
    depths = {}
    for url, body in answers.items():
        (symbol,) = parse_qs(urlsplit(url).query)["symbol"]
        depths[symbol] = parse_depth(body, symbol)
    return depths


def agree(book: NumberedBook, ticker: dict[str, str]) -> bool:
    """Whether a ticker has the best prices and sizes of a book."""
    best = [number for side in (book.bids, book.asks) for number in side.best(1)[0]]
    return best == [Decimal(ticker[name]) for name in "bBaA"]


def follow(venue: str) -> tuple[dict[str, NumberedBook], Counter[Outcome], list[bool]]:
    """Follow the recorded books, and compare them with tickers of the same number.

    A book is given its snapshot as soon as the changes have come that far.
    """
    depths = recorded_depths(venue)
    books = {symbol: NumberedBook() for symbol in depths}
    outcomes: Counter[Outcome] = Counter()
    tickers: dict[tuple[str, int], dict[str, str]] = {}
    compared = []
    for message in recorded_frames(f"{venue}.ws.1.0.gz")[0]:
        change = parse_change(message)
        if not isinstance(change, Change):
            event = json.loads(message)["data"]
            if "e" not in event:  # the only kind without a name
                tickers[event["s"], event["u"]] = event
            continue
        book, depth = books[change.symbol], depths[change.symbol]
        outcomes[book.apply(change)] += 1
        if not book.synced and change.last_id >= depth.last_id:  # type: ignore[operator]
            outcomes[book.apply(depth)] += 1
        if book.last_id is not None and (change.symbol, book.last_id) in tickers:
            compared.append(agree(book, tickers[change.symbol, book.last_id]))
    return books, outcomes, compared


@needs_recordings
@pytest.mark.parametrize(
    ("venue", "applied", "kept", "agreed"),
    # Four snapshots, and 177 and 336 changes of which some were kept for them.
    [("BINANCE", 176, 5, 26), ("BINANCE_US", 336, 4, 57)],
)
def test_recorded_books_sync_without_a_gap_and_agree_with_the_tickers(
    venue: str, applied: int, kept: int, agreed: int
) -> None:
    books, outcomes, compared = follow(venue)

    assert all(book.synced for book in books.values())
    assert outcomes == {Outcome.APPLIED: applied, Outcome.KEPT: kept}
    assert compared == [True] * agreed
