"""Changes taken together give the book that they give one by one, under either rule."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pipeline.orderbook import Change, ChecksumBook, NumberedBook, OrderBook, Outcome, Snapshot
from pipeline.venues.kraken_book import checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.book_side import Level

PRICES, SIZES = st.integers(1, 12), st.integers(0, 3)
LEVELS = st.lists(st.tuples(PRICES, SIZES), max_size=4)


def levels(pairs: Sequence[tuple[int, int]]) -> list[Level]:
    return [(Decimal(price), Decimal(size)) for price, size in pairs]


#: Side, price and size of each update that a venue numbers.
Updates = list[tuple[int, int, int]]


def venues(updates: Updates, last_id: int) -> tuple[list[Level], list[Level]]:
    """Return a book after an update, of those from 1 on."""
    sides: tuple[dict[int, int], dict[int, int]] = {}, {}
    for side, price, size in updates[:last_id]:
        sides[side][price] = size
    bids, asks = (
        levels([(price, side[price]) for price in sorted(side, reverse=at == 0) if side[price]])
        for at, side in enumerate(sides)
    )
    return bids, asks


def change(updates: Updates, first_id: int, last_id: int) -> Change:
    """Return what the venue sends of some updates: sizes as they are after the last one."""
    sides: tuple[dict[int, int], dict[int, int]] = {}, {}
    for side, price, size in updates[first_id - 1 : last_id]:
        sides[side][price] = size
    bids, asks = (levels([*side.items()]) for side in sides)
    return Change("A", bids, asks, first_id=first_id, last_id=last_id)


@st.composite
def spans(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Return ids of changes mostly in turn, some with gaps, overlaps, repeats or from before."""
    found, last_id = [], draw(st.integers(0, 4))
    for _ in range(draw(st.integers(0, 10))):
        first_id = max(1, last_id + draw(st.sampled_from([1, 1, 1, 1, 0, -2, 2, -6])))
        last_id = first_id + draw(st.integers(0, 3))
        found.append((first_id, last_id))
    return found


def cut(changes: Sequence[Change], places: Sequence[int]) -> list[Sequence[Change]]:
    ends = sorted({0, len(changes), *(place for place in places if place < len(changes))})
    return [changes[start:end] for start, end in pairwise(ends)]


def view(book: OrderBook) -> tuple[bool, list[Level], list[Level]]:
    return book.synced, book.bids.best(99), book.asks.best(99)


@given(
    updates=st.lists(st.tuples(st.integers(0, 1), PRICES, SIZES), min_size=50, max_size=50),
    spans=spans(),
    places=st.lists(st.integers(1, 10)),
    ids=st.tuples(st.integers(0, 10), st.integers(0, 50)),
    before=st.integers(0, 10),
)
def test_numbered_book_of_changes_in_runs_is_that_of_changes_one_by_one(
    updates: Updates,
    spans: list[tuple[int, int]],
    places: list[int],
    ids: tuple[int, int],
    before: int,
) -> None:
    """One snapshot comes among the changes, another one after them."""
    changes = [change(updates, *span) for span in spans]
    single, joined = NumberedBook(), NumberedBook()
    for part, last_id in zip((changes[:before], changes[before:]), ids, strict=True):
        for one in part:
            single.apply(one)
        outcomes = [joined.apply_all(run) for run in cut(part, places)]

        assert sum(map(len, outcomes)) == len(part)
        assert (view(joined), joined.last_id) == (view(single), single.last_id)
        if not single.synced:
            snapshot = Snapshot("A", *venues(updates, last_id), last_id=last_id)
            assert joined.apply(snapshot) is single.apply(snapshot)
            assert (view(joined), joined.last_id) == (view(single), single.last_id)
        if single.last_id is not None:
            assert view(single) == (True, *venues(updates, single.last_id))


DEPTH = 3


def best(side: dict[int, int], *, highest_first: bool) -> dict[int, int]:
    return {price: side[price] for price in sorted(side, reverse=highest_first)[:DEPTH]}


def told(
    before: dict[int, int], after: dict[int, int], whole: dict[int, int]
) -> list[tuple[int, int]]:
    """Return what the venue says of a side: not that a level was pushed out of its depth."""
    gone = [(price, 0) for price in before if price not in whole]
    return gone + [(price, size) for price, size in after.items() if before.get(price) != size]


@given(steps=st.lists(st.tuples(LEVELS, LEVELS), max_size=12), places=st.lists(st.integers(1, 12)))
def test_checksum_book_of_changes_in_runs_is_the_venues_with_one_checksum_a_run(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]], places: list[int]
) -> None:
    """The venue has more levels than it tells: `whole` is all of them, `seen` the best."""
    whole: list[dict[int, int]] = [{5: 1, 4: 1, 3: 1, 2: 1}, {6: 1, 7: 1, 8: 1, 9: 1}]
    seen = [best(whole[0], highest_first=True), best(whole[1], highest_first=False)]
    start = Snapshot("A", levels([*seen[0].items()]), levels([*seen[1].items()]))
    changes = []
    for step in steps:
        events = []
        for side in (0, 1):
            for price, size in step[side]:
                whole[side] |= {price: size}
            whole[side] = {price: size for price, size in whole[side].items() if size}
            now = best(whole[side], highest_first=side == 0)
            events.append(levels(told(seen[side], now, whole[side])))
            seen[side] = now
        sums = checksum(levels([*seen[1].items()]), levels([*seen[0].items()]))
        changes.append(Change("A", *events, checksum=sums))
    single, joined = ChecksumBook(DEPTH, checksum), ChecksumBook(DEPTH, checksum)
    for book in (single, joined):
        book.apply(start)

    runs = cut(changes, places)
    assert [single.apply(change) for change in changes] == [Outcome.APPLIED] * len(changes)
    assert [joined.apply_all(run) for run in runs] == [
        [Outcome.COALESCED] * (len(run) - 1) + [Outcome.APPLIED] for run in runs
    ]
    assert view(joined) == view(single)
    assert view(joined) == (True, levels([*seen[0].items()]), levels([*seen[1].items()]))


def test_checksum_book_does_not_bring_back_what_was_cancelled_out_of_sight() -> None:
    book = ChecksumBook(2, checksum)
    book.apply(Snapshot("A", levels([(5, 1), (4, 1)]), []))
    # 4 is pushed out, and cancelled there; then 6 goes, and 3 is next.
    book.apply_all([Change("A", levels([(6, 1)]), []), Change("A", levels([(6, 0), (3, 1)]), [])])

    assert book.bids.best(9) == levels([(5, 1), (3, 1)])


def test_checksum_book_looks_at_the_last_checksum_of_a_run_only() -> None:
    book = ChecksumBook(10, checksum)
    book.apply(Snapshot("A", levels([(5, 1)]), []))
    right = checksum([], levels([(5, 3)]))
    first, last = Change("A", levels([(5, 2)]), [], checksum=0), Change("A", levels([(5, 3)]), [])
    assert book.apply_all([first, Change("A", last.bids, [], checksum=right)]) == [
        Outcome.COALESCED,
        Outcome.APPLIED,
    ]
    assert book.apply_all([first, Change("A", last.bids, [], checksum=1)])[-1] is Outcome.MISMATCH
    assert view(book) == (False, [], [])
    assert book.apply_all([first, last]) == [Outcome.IGNORED] * 2


def test_numbered_book_that_is_bounded_forgets_what_is_behind_and_says_so() -> None:
    book = NumberedBook(depth=3)
    bids = [(price, 1) for price in (9, 8, 7)]
    book.apply(Snapshot("A", levels(bids), levels([(10, 1)]), last_id=1))
    # Nobody knows what else is behind 7; of the asks all is known.
    book.apply(Change("A", levels([(6, 1), (9, 0)]), levels([(12, 1)]), first_id=2, last_id=2))

    assert view(book) == (True, levels([(8, 1), (7, 1)]), levels([(10, 1), (12, 1)]))
    assert (book.bids.knows(2), book.bids.knows(3), book.asks.knows(99)) == (True, False, True)
    assert (book.knows(2), book.knows(3)) == (True, False)

    asks = [(price, 1) for price in (13, 14, 15, 16, 11)]
    book.apply(Change("A", [], levels(asks), first_id=3, last_id=3))
    # More than twice the depth: the best three stay.
    assert book.asks.best(99) == levels([(10, 1), (11, 1), (12, 1)])
    assert not book.asks.knows(4)

    book.forget()
    assert book.apply(Snapshot("A", levels([(1, 1)]), [], last_id=9)) is Outcome.APPLIED
    assert book.knows(99)
