"""Which books are told, and when snapshots are asked for; times are made up."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.books import Books, BookState, imbalance
from pipeline.followed_book import BookCounts, FollowedBook
from pipeline.orderbook import Change, ChecksumBook, NumberedBook, Snapshot
from pipeline.venues.kraken_book import checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.book_side import Level

S = 1_000_000


def levels(*pairs: tuple[float, float]) -> list[Level]:
    return [(Decimal(str(price)), Decimal(str(size))) for price, size in pairs]


def snapshot(last_id: int = 10, symbol: str = "A") -> Snapshot:
    return Snapshot(symbol, levels((9, 3), (8, 1)), levels((10, 1), (11, 1)), last_id=last_id)


def change(first_id: int, last_id: int | None = None, symbol: str = "A") -> Change:
    ids = (first_id, first_id if last_id is None else last_id)
    return Change(symbol, levels((9.5, 1)), [], first_id=ids[0], last_id=ids[1])


def books(symbols: Sequence[str] = ("A", "B"), levels: int = 1) -> Books:
    """Return books on connection 1, which counts, since time 0; that of A is synced."""
    made = Books(symbols, lambda: NumberedBook(depth=2), levels, streamed=False)
    made.connect([1], 1, 0)
    made.asked(1, symbols, 0)
    made.start(snapshot(), 0)
    return made


def prices(made: Books, symbol: str = "A") -> tuple[float | None, float | None, float | None]:
    state = made.states(0)[symbol]
    return state.bid, state.ask, state.imbalance


def resyncs(made: Books, symbol: str = "A") -> int:
    return made.states(0)[symbol].resyncs


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (3 - 1) / (3 + 1)), (2, (4 - 2) / (4 + 2)), (3, None)],  # of the third nothing is known
)
def test_imbalance_is_the_part_of_sizes_that_bids_have_more(
    count: int, expected: float | None
) -> None:
    book = NumberedBook(depth=2)
    book.apply(snapshot())
    assert imbalance(book, count) == expected


def test_imbalance_of_a_side_alone_is_its_extreme_and_of_nothing_unknown() -> None:
    book = NumberedBook()
    book.apply(Snapshot("A", [], levels((1, 2)), last_id=1))
    assert imbalance(book, 5) == -1.0
    book.apply(Snapshot("A", [], [], last_id=2))
    assert imbalance(book, 5) is None


def test_books_tell_prices_of_what_is_synced_only() -> None:
    made = books()
    assert made.states(7) == {
        "A": BookState(9.0, 10.0, 0.5, updates=0, coalesced=0, dropped=7, resyncs=0),
        "B": BookState(None, None, None, updates=0, coalesced=0, dropped=7, resyncs=0),
    }


def test_books_count_updates_and_those_that_were_taken_with_the_next() -> None:
    made = books()
    made.take(1, [change(11), change(3, symbol="B"), change(12), change(13)], 0)
    made.take(1, [change(14), change(1, symbol="C")], 0)

    state = made.states(0)["A"]
    assert (state.updates, state.coalesced, state.resyncs, state.bid) == (4, 2, 0, 9.5)
    assert made.states(0)["B"].updates == 1


def test_book_with_a_gap_is_hidden_asked_for_at_once_and_counted() -> None:
    made = books()
    made.take(1, [change(12)], 5 * S)

    assert prices(made) == (None, None, None)
    assert resyncs(made) == 1
    assert made.wanting(5 * S) == {1: ["B", "A"]}  # longest due first
    assert made.silent(1, ["A"]) == []
    made.start(snapshot(11), 5 * S)
    assert prices(made)[0] == 9.5
    assert made.wanting(5 * S) == {1: ["B"]}


def test_snapshot_is_asked_for_again_after_waits_that_double_up_to_a_minute() -> None:
    made = books(["A"])
    made.take(1, [change(12)], 2 * S)
    asked, now_us = [], 2 * S
    for _ in range(8):
        while not made.wanting(now_us)[1]:
            now_us += S
        made.asked(1, ["A"], now_us)
        asked.append(now_us // S)
    assert [after - before for before, after in pairwise(asked)] == [
        2, 4, 8, 16, 32, 60, 60,
    ]  # fmt: skip


def test_waits_start_over_after_a_calm() -> None:
    made = books(["A"])
    for last_id, now_us in ((12, 2 * S), (14, 200 * S)):
        made.take(1, [change(last_id)], now_us)
        assert made.wanting(now_us) == {1: ["A"]}
        made.asked(1, ["A"], now_us)
        made.start(snapshot(last_id), now_us)
    made.take(1, [change(16)], 200 * S)
    assert made.wanting(200 * S) == {1: []}
    assert made.wanting(201 * S) == {1: ["A"]}


def test_streamed_snapshot_has_ten_seconds_to_come_with_the_subscription() -> None:
    made = Books(["A"], lambda: ChecksumBook(10, checksum), 1, streamed=True)
    made.connect([1], 1, 0)
    assert made.wanting(10 * S - 1) == {1: []}
    assert made.wanting(10 * S) == {1: ["A"]}
    made.take(1, [snapshot()], 2 * S)
    assert made.wanting(10 * S) == {1: []}


def test_streamed_book_that_has_come_and_is_lost_waits_no_longer() -> None:
    made = Books(["A"], lambda: ChecksumBook(10, checksum), 1, streamed=True)
    made.connect([1], 1, 0)
    broken = Change("A", levels((9, 0)), [], checksum=1)
    made.take(1, [snapshot(), broken], 2 * S)
    assert (resyncs(made), made.wanting(2 * S)) == (1, {1: ["A"]})
    made.asked(1, ["A"], 2 * S)
    made.take(1, [snapshot(), broken], 2 * S)
    assert (resyncs(made), made.wanting(3 * S - 1)) == (2, {1: []})
    assert made.wanting(3 * S) == {1: ["A"]}


def test_book_in_doubt_is_hidden_until_a_change_proves_it() -> None:
    made = books()
    made.doubt(None, S)
    assert prices(made) == (None, None, None)
    made.take(1, [change(11)], 2 * S)
    assert prices(made)[0] == 9.5
    made.renew(7 * S)
    assert resyncs(made) == 0


def test_book_in_doubt_of_another_symbol_is_told() -> None:
    made = books()
    made.doubt(["B", "not kept"], S)
    assert prices(made)[0] == 9.0


@pytest.mark.parametrize("cause", ["doubt", "trade"])
def test_book_that_says_nothing_for_five_seconds_when_it_should_is_made_anew(cause: str) -> None:
    made = books(["A"])
    if cause == "doubt":
        made.doubt(["A"], 2 * S)
    else:
        made.traded(["A", "not kept"], 2 * S)
    made.renew(7 * S - 1)
    assert resyncs(made) == 0
    made.renew(7 * S)
    assert (prices(made), resyncs(made)) == ((None, None, None), 1)
    assert made.silent(1, ["A"]) == ["A"]
    made.start(snapshot(), 8 * S)
    assert (prices(made)[0], made.silent(1, ["A"])) == (9.0, [])
    made.renew(14 * S)
    assert resyncs(made) == 1


def test_trade_right_after_its_change_awaits_nothing() -> None:
    made = books(["A"])
    made.take(1, [change(11)], 2 * S)
    made.traded(["A"], 3 * S - 1)
    made.renew(30 * S)
    assert resyncs(made) == 0


def test_doubt_outlives_a_snapshot_that_may_be_older() -> None:
    made = books(["A"])
    made.take(1, [change(12)], S)
    made.doubt(["A"], S)
    made.start(snapshot(11), 9 * S)
    assert prices(made) == (None, None, None)
    made.renew(14 * S - 1)
    assert resyncs(made) == 1
    made.take(1, [change(13)], 14 * S - 1)
    assert prices(made)[0] == 9.5


def test_book_that_says_nothing_at_all_is_made_anew_ever_more_rarely_until_it_speaks() -> None:
    made = books(["A"])
    now_us, found = 0, []
    for _ in range(8):
        before, start_us = resyncs(made), now_us
        while resyncs(made) == before:
            now_us += 30 * S
            made.renew(now_us)
        found.append((now_us - start_us) // (60 * S))
        made.start(snapshot(), now_us)
    assert found == [1, 2, 4, 8, 16, 32, 60, 60]
    made.take(1, [change(11)], now_us)
    made.renew(now_us + 60 * S)
    assert resyncs(made) == 9


def test_book_of_which_too_few_levels_are_known_is_made_anew_without_a_subscription() -> None:
    made = books(["A"], levels=2)
    made.take(1, [Change("A", levels((9, 0)), [], first_id=11, last_id=11)], S)
    assert prices(made) == (8.0, 10.0, None)
    made.renew(S)
    assert (prices(made), resyncs(made)) == ((None, None, None), 1)
    assert made.silent(1, ["A"]) == []


def test_books_of_a_lost_connection_are_gone_with_it_and_made_anew() -> None:
    made = books()
    made.connect([], None, S)
    assert (prices(made), resyncs(made), resyncs(made, "B")) == ((None, None, None), 1, 0)
    made.connect([2], 2, 2 * S)
    assert (prices(made), resyncs(made)) == ((None, None, None), 1)
    assert made.wanting(2 * S) == {2: ["A", "B"]}


def test_books_of_a_successor_are_ready_before_it_takes_over() -> None:
    made = books(["A"])
    made.connect([1, 2], 1, S)
    assert made.wanting(S) == {1: [], 2: ["A"]}
    made.take(2, [change(11)], S)
    made.start(snapshot(10), S)
    assert prices(made)[0] == 9.0  # of the first one
    made.connect([2], 2, 2 * S)
    assert (prices(made)[0], resyncs(made)) == (9.5, 0)


def test_what_a_connection_delivers_before_it_is_known_is_kept() -> None:
    made = books(["A"])
    made.take(2, [change(12)], S)
    made.connect([1, 2], 1, S)
    made.start(snapshot(11), S)
    made.connect([2], 2, S)
    assert prices(made)[0] == 9.5


@pytest.mark.parametrize(("levels", "again"), [(10, True), (11, False)])
def test_book_in_doubt_is_proven_by_a_checksum_only_as_deep_as_that_reaches(
    levels: int, *, again: bool
) -> None:
    book = ChecksumBook(25, lambda _asks, _bids: 0)
    followed = FollowedBook(book, levels, BookCounts(), now_us=0, due_us=0)
    side = [(Decimal(price), Decimal(1)) for price in range(1, 26)]
    followed.take([Snapshot("A", side, side, checksum=0)], 0)
    assert followed.believed
    followed.doubt(S)
    assert not followed.believed
    followed.take([Change("A", side[:1], [], checksum=0)], 2 * S)
    assert followed.believed == again
    assert followed.wants(3 * S) != again


def test_last_words_of_a_connection_that_is_gone_make_no_books() -> None:
    books = Books(["A"], NumberedBook, 1, streamed=False)
    change = Change("A", [], [], 1, 1)
    books.connect([1], 1, 0)
    books.connect([2], 2, S)
    books.take(1, [change], S)
    assert books.wanting(S) == {2: ["A"]}
    books.connect([], None, 2 * S)
    books.take(2, [change], 2 * S)
    assert books.wanting(2 * S) == {}
