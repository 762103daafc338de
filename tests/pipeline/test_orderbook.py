from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.book_side import Level, Side
from pipeline.orderbook import Change, ChecksumBook, NumberedBook, OrderBook, Outcome, Snapshot
from pipeline.venues.kraken_book import checksum


def levels(*pairs: tuple[str, str]) -> list[Level]:
    return [(Decimal(price), Decimal(size)) for price, size in pairs]


def numbered(first_id: int, last_id: int, *, bids: tuple[str, str] = ("1", "1")) -> Change:
    return Change("A", levels(bids), [], first_id=first_id, last_id=last_id)


def snapshot(last_id: int) -> Snapshot:
    return Snapshot("A", levels(("1", "5")), levels(("2", "5")), last_id=last_id)


PRICES, SIZES = st.sampled_from(["1", "2", "2.0", "3", "10"]), st.sampled_from(["0", "1", "7"])


@pytest.mark.parametrize("highest_first", [False, True])
@given(pairs=st.lists(st.tuples(PRICES, SIZES), max_size=30), count=st.integers(0, 6))
def test_side_keeps_the_best_of_the_newest_sizes(
    *, highest_first: bool, pairs: list[tuple[str, str]], count: int
) -> None:
    side = Side(highest_first=highest_first)
    side.take(levels(*pairs))

    newest = {Decimal(price): Decimal(size) for price, size in pairs}
    left = sorted(((price, size) for price, size in newest.items() if size), reverse=highest_first)
    assert side.best(count) == left[:count]
    assert len(side) == len(left)
    side.truncate(count)
    assert side.best(9) == left[:count]
    assert len(side) == min(count, len(left))


def test_side_keeps_digits_as_they_were_sent() -> None:
    side = Side(highest_first=True)
    side.take(levels(("1.50", "2.000"), ("0.1000000000000000000000000001", "1")))

    assert [str(number) for level in side.best(2) for number in level] == [
        "1.50",
        "2.000",
        "0.1000000000000000000000000001",
        "1",
    ]


@pytest.mark.parametrize(
    "book", [ChecksumBook(10, checksum), NumberedBook()], ids=["checksum", "numbered"]
)
def test_book_before_a_snapshot_is_empty_and_says_so(book: OrderBook) -> None:
    assert book.apply(numbered(1, 1)) in {Outcome.IGNORED, Outcome.KEPT}
    assert not book.synced
    assert (len(book.bids), len(book.asks)) == (0, 0)

    assert book.apply(snapshot(1)) is Outcome.APPLIED
    assert book.synced
    assert book.bids.best(1) == levels(("1", "5"))


def test_checksum_book_forgets_what_falls_out_of_its_depth() -> None:
    book = ChecksumBook(2, checksum)
    book.apply(Snapshot("A", levels(("5", "1"), ("4", "1")), []))
    book.apply(Change("A", levels(("6", "1")), []))
    # The venue does not send that 4 is gone; when 6 goes, 4 must not come back.
    book.apply(Change("A", levels(("6", "0")), []))

    assert book.bids.best(9) == levels(("5", "1"))


def test_checksum_book_with_another_checksum_is_empty_until_the_next_snapshot() -> None:
    whole = Snapshot("A", levels(("5", "1")), levels(("6", "2")))
    right = checksum(whole.asks, whole.bids)
    book = ChecksumBook(10, checksum)
    assert book.apply(whole) is Outcome.APPLIED

    wrong = Change("A", levels(("5", "2")), [], checksum=right)
    assert book.apply(wrong) is Outcome.MISMATCH
    assert not book.synced
    assert (len(book.bids), len(book.asks)) == (0, 0)
    assert book.apply(Change("A", levels(("5", "1")), [])) is Outcome.IGNORED

    again = Snapshot("A", whole.bids, whole.asks, checksum=right)
    assert book.apply(again) is Outcome.APPLIED
    assert book.synced


@pytest.mark.parametrize(
    ("last_id", "outcome"),
    [
        (8, Outcome.TOO_OLD),  # 9 is missing
        (9, Outcome.APPLIED),  # the first change follows
        (11, Outcome.APPLIED),  # and overlaps
        (12, Outcome.APPLIED),
        (15, Outcome.APPLIED),  # all is in the snapshot
    ],
)
def test_numbered_book_starts_where_the_snapshot_meets_the_changes(
    last_id: int, outcome: Outcome
) -> None:
    book = NumberedBook()
    kept = [book.apply(numbered(10, 12)), book.apply(numbered(13, 13, bids=("1", "9")))]

    assert kept == [Outcome.KEPT, Outcome.KEPT]
    assert book.apply(snapshot(last_id)) is outcome
    assert book.synced is (outcome is Outcome.APPLIED)
    if outcome is Outcome.APPLIED:
        assert book.last_id == max(last_id, 13)
        assert book.bids.best(1) == levels(("1", "5" if last_id == 15 else "9"))


def test_numbered_book_after_a_snapshot_that_is_too_old_takes_a_later_one() -> None:
    book = NumberedBook()
    book.apply(numbered(10, 12))
    assert book.apply(snapshot(5)) is Outcome.TOO_OLD
    assert book.apply(snapshot(10)) is Outcome.APPLIED
    assert book.last_id == 12


def test_numbered_book_ignores_what_it_has_and_applies_what_overlaps() -> None:
    book = NumberedBook()
    book.apply(snapshot(10))

    assert book.apply(numbered(8, 10)) is Outcome.IGNORED
    assert book.apply(numbered(9, 11)) is Outcome.APPLIED
    assert book.apply(numbered(12, 12)) is Outcome.APPLIED
    assert book.last_id == 12


def test_numbered_book_with_a_gap_is_empty_and_keeps_the_change_for_the_next_snapshot() -> None:
    book = NumberedBook()
    book.apply(snapshot(10))

    assert book.apply(numbered(12, 13)) is Outcome.GAP
    assert not book.synced
    assert len(book.bids) == 0
    assert book.apply(numbered(14, 14)) is Outcome.KEPT
    assert book.apply(snapshot(10)) is Outcome.TOO_OLD
    assert book.apply(snapshot(11)) is Outcome.APPLIED
    assert book.last_id == 14


def test_numbered_book_with_a_gap_among_what_was_kept_says_so() -> None:
    book = NumberedBook()
    for number in (11, 13, 14):
        book.apply(numbered(number, number))

    assert book.apply(snapshot(10)) is Outcome.GAP
    assert not book.synced
    assert book.apply(snapshot(12)) is Outcome.APPLIED
    assert book.last_id == 14


def test_numbered_book_that_keeps_too_many_wants_a_later_snapshot() -> None:
    book = NumberedBook(max_kept=2)
    for number in (10, 11, 12):
        book.apply(numbered(number, number))

    assert book.apply(snapshot(9)) is Outcome.TOO_OLD
    assert book.apply(snapshot(10)) is Outcome.APPLIED
    assert book.last_id == 12
