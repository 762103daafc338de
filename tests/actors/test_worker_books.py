"""Order books of a worker against the exchange's own, over real sockets and whatever happens.

The exchange's book follows from a trade alone, and an update has the id of its last fill: so what a
book should be after any update can be worked out, level by level.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import numpy as np
import pytest

from actors.exchange.connection import Connection
from actors.symbol import SymbolWorker
from pipeline.book_side import Level
from pipeline.exchange.book import Book
from pipeline.orderbook import NumberedBook
from tests.actors.test_worker_connections import Venue, count
from tests.waiting import DEADLINE_S, wait_until
from tests.workers import Coordination, accounted, market, running

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
LEVELS = 5


Live = tuple[SymbolWorker, Coordination, Venue]


@contextmanager
def following(**actors: object) -> Iterator[Live]:
    source = market(SYMBOLS, trades_per_s=400.0)
    books = {"levels": LEVELS}
    with running(source, SYMBOLS, books=books, actors=actors) as (worker, seen, server):
        wait_until(lambda: all(shown(seen, symbol) for symbol in SYMBOLS), "both books")
        yield worker, seen, Venue(server)
        wait_until(lambda: all(accounted(seen.health(symbol)) for symbol in SYMBOLS), "all trades")
    assert all(seen.health(symbol)["lost"] == 0 for symbol in SYMBOLS)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Give every test the same worker, whatever the others did to it."""
    with following() as live:
        yield live


def shown(seen: Coordination, symbol: str) -> bool:
    row = seen.health(symbol)
    return all(row.get(name) is not None for name in ("bid", "ask", "imbalance"))


def on_its_thread(worker: SymbolWorker, action: Callable[[], None]) -> None:
    """Have the thread of the books do something, once, between two looks at its room."""
    books, done = worker._books, threading.Event()
    assert books is not None
    step = books._step

    def once() -> None:
        books._step = step  # type: ignore[method-assign]
        action()
        done.set()
        step()

    books._step = once  # type: ignore[method-assign]
    assert done.wait(DEADLINE_S)


def kept(worker: SymbolWorker, symbol: str) -> tuple[int | None, list[Level], list[Level]]:
    """Return the last update of a book, and all of its levels that are known."""
    found: list[tuple[int | None, list[Level], list[Level]]] = []

    def look() -> None:
        assert worker._books is not None
        current = worker._books._books._current
        book = current[symbol].book if current else NumberedBook()
        assert isinstance(book, NumberedBook)
        found.append((book.last_id, book.bids.best(10_000), book.asks.best(10_000)))

    on_its_thread(worker, look)
    return found[0]


def issued(venue: Venue, symbol: str, update_id: int) -> Book:
    """Return the exchange's book after an update."""
    found: list[Book] = []
    done = threading.Event()

    def look() -> None:
        market = venue.server._exchange.markets[symbol]
        row = int(np.searchsorted(market.trades.last_id, update_id))
        assert market._books is not None
        found.append(market._books.book(market.trades[row : row + 1]))
        done.set()

    venue.on_its_thread(look)
    assert done.wait(DEADLINE_S)
    assert found[0].update_id == update_id
    return found[0]


def assert_exact(worker: SymbolWorker, venue: Venue, symbol: str) -> None:
    last_id, bids, asks = kept(worker, symbol)
    assert last_id is not None
    book = issued(venue, symbol, last_id)
    for mine, side in ((bids, book.bids), (asks, book.asks)):
        taken = side.sizes_e8 > 0
        rows = zip(side.prices_e8[taken].tolist(), side.sizes_e8[taken].tolist(), strict=True)
        theirs = [(Decimal(price) / 10**8, Decimal(size) / 10**8) for price, size in rows]
        # Behind what a snapshot reaches nothing is known, and a price that moves comes nearer to
        # that; the ten levels that are shown are there.
        assert 10 <= len(mine) < len(theirs)
        assert mine == theirs[: len(mine)]


def follows(live: Live, symbol: str) -> None:
    """Find a book exact, and again after its next updates, and shown."""
    worker, seen, venue = live
    for _ in range(2):
        before, _, _ = kept(worker, symbol)
        wait_until(lambda: kept(worker, symbol)[0] not in {before, None}, "its next change")  # noqa: B023
        assert_exact(worker, venue, symbol)
    wait_until(lambda: shown(seen, symbol), "what is told of it")


def resyncs(seen: Coordination, symbol: str = "BTCUSDT") -> int:
    return count(seen, symbol, "book_resyncs")


def leave_out(connection: Connection, messages: int, hushed: bytes) -> None:
    """Send less of what holds some bytes, as if it went lost; then go on."""
    send = connection.send
    left = messages

    def lossy(frames: bytes) -> None:
        nonlocal left
        if hushed in frames and left > 0:
            left -= 1
        else:
            send(frames)

    connection.send = lossy  # type: ignore[method-assign, assignment]


def test_books_are_the_exchanges_own_level_by_level_after_every_update(live: Live) -> None:
    worker, seen, venue = live
    before = {symbol: resyncs(seen, symbol) for symbol in SYMBOLS}
    for symbol in SYMBOLS:
        follows(live, symbol)
    assert {symbol: resyncs(seen, symbol) for symbol in SYMBOLS} == before
    wait_until(lambda: count(seen, "BTCUSDT", "book_coalesced") > 5, "coalesced changes")
    row = seen.health("BTCUSDT")
    assert row["book_updates"] > row["book_coalesced"]  # type: ignore[operator]
    # The spread of the synthetic market is constant.
    quote = issued(venue, "BTCUSDT", kept(worker, "BTCUSDT")[0] or 0)
    spread = (int(quote.asks.prices_e8[0]) - int(quote.bids.prices_e8[0])) / 1e8
    assert row["ask"] - row["bid"] == pytest.approx(spread, abs=1e-6)  # type: ignore[operator]


def test_books_after_a_cut_connection_are_made_anew_and_exact(live: Live) -> None:
    worker, seen, _ = live
    status, before = worker._feed.status(), resyncs(seen)
    assert status.current is not None
    worker._feed.reconnect(status.current.line, "cut by the test")
    wait_until(lambda: worker._feed.status().generation > status.generation, "a new connection")
    wait_until(lambda: resyncs(seen) > before, "it is told")
    for symbol in SYMBOLS:
        follows(live, symbol)
    assert resyncs(seen) == before + 1


def test_book_with_a_change_missing_is_made_anew_and_the_others_are_left(live: Live) -> None:
    _, seen, venue = live
    before = {symbol: resyncs(seen, symbol) for symbol in SYMBOLS}
    connection = venue.connections()[-1]
    venue.on_its_thread(lambda: leave_out(connection, 1, b"btcusdt@depth"))
    wait_until(lambda: resyncs(seen) > before["BTCUSDT"], "a gap")
    follows(live, "BTCUSDT")
    assert resyncs(seen) == before["BTCUSDT"] + 1


def test_book_whose_stream_the_venue_forgot_is_subscribed_again_and_made_anew(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.followed_book.ANSWER_US", 1_000_000)
    worker, seen, venue = live
    status, before, name = worker._feed.status(), resyncs(seen), "btcusdt@depth@100ms"
    connection = venue.connections()[-1]

    def forget() -> None:
        del connection.session.streams[name]
        venue.server._sockets.index_readers()

    venue.on_its_thread(forget)
    wait_until(lambda: resyncs(seen) > before, "the silence is noticed")
    wait_until(lambda: name in connection.session.streams, "it is asked for again")
    follows(live, "BTCUSDT")
    assert worker._feed.status().generation == status.generation


def test_books_whose_room_was_full_are_made_anew_and_no_trade_is_touched(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, seen, _ = live
    assert worker._books is not None
    room, before = worker._books._room, seen.health("BTCUSDT")
    monkeypatch.setattr(room, "_max_frames", 10)
    dropped = room.dropped
    on_its_thread(worker, lambda: None)  # after this look the room is that small
    # Its thread stands still for as long.
    on_its_thread(worker, lambda: wait_until(lambda: room.dropped > dropped + 5, "a full room"))
    wait_until(lambda: count(seen, "BTCUSDT", "book_dropped") > dropped + 5, "it is told")
    wait_until(lambda: resyncs(seen) > before["book_resyncs"], "the gap")  # type: ignore[operator]
    monkeypatch.undo()
    for symbol in SYMBOLS:
        follows(live, symbol)
    row = seen.health("BTCUSDT")
    assert [row[name] for name in ("dropped", "lost", "late", "duplicates")] == [0, 0, 0, 0]


def test_books_of_a_connection_that_is_replaced_in_time_are_never_blank() -> None:
    with following(connection_life="2s") as live:
        worker, seen, _ = live
        blank = 0

        def handed_over() -> bool:
            nonlocal blank
            blank += not all(shown(seen, symbol) for symbol in SYMBOLS)
            return worker._feed.status().handovers >= 1

        wait_until(handed_over, "a handover")
        for symbol in SYMBOLS:
            follows(live, symbol)
            assert resyncs(seen, symbol) == 0
    assert blank == 0
