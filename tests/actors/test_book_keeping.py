"""What is asked for, turn by turn: a feed from memory, and a clock that the test moves."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from actors.book_keeping import BookKeeping
from actors.feed import Feed, FeedStatus, Leg
from actors.frame_buffer import FrameBuffer
from actors.rest import RestClient
from pipeline.books import BookState
from pipeline.venues.binance import Binance
from pipeline.venues.kraken import Kraken
from pipeline.venues.protocol import Venue

S = 1_000_000


class Connected:
    """A feed with one connection; what it is to send is in `sent`."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Any]] = []
        self.line = 4

    def status(self) -> FeedStatus:
        return FeedStatus(
            connected=True, generation=1, silent_s=0.0, last_error=None, current=Leg(self.line, 0)
        )

    def send(self, line: int, message: str) -> None:
        self.sent.append((line, json.loads(message)))


class Clock:
    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("actors.book_keeping._now_us", clock)
    return clock


def keeping(venue: Venue, symbols: tuple[str, ...], feed: Connected) -> BookKeeping:
    return BookKeeping(
        venue,
        symbols,
        cast("Feed", feed),
        FrameBuffer(10),
        RestClient(),
        levels=1,
    )


def answer(kept: BookKeeping, *symbols: str) -> None:
    """Let the venue answer what was asked for."""
    assert kept._snapshots is not None
    body = b'{"lastUpdateId":5,"bids":[["1","1"]],"asks":[["2","1"]]}'
    for symbol in symbols:
        found = kept._venue.parse_snapshot(body, symbol)
        kept._snapshots._found.put((kept._snapshots._era, found))


def change(symbol: str, number: int) -> bytes:
    event = {"e": "depthUpdate", "s": symbol, "U": number, "u": number, "b": [["9", "1"]], "a": []}
    return json.dumps({"data": event}, separators=(",", ":")).encode()


def test_streamed_books_are_asked_for_anew_a_hundred_at_once_and_once_a_second(
    clock: Clock,
) -> None:
    feed, symbols = Connected(), tuple(f"C{number}/USD" for number in range(150))
    kept = keeping(Kraken("kraken", "wss://unused", "https://unused", 10), symbols, feed)
    sent = []
    for now_us in (0, 10 * S - 1, 10 * S, 11 * S - 1, 11 * S):
        clock.now_us = now_us
        kept._step()
        sent.append(len(feed.sent))

    assert sent == [0, 0, 2, 2, 4]
    assert [(line, one["method"], one["req_id"]) for line, one in feed.sent] == [
        (4, "unsubscribe", 1_000_000),
        (4, "subscribe", 1_000_001),
        (4, "unsubscribe", 1_000_002),
        (4, "subscribe", 1_000_003),
    ]
    asked = [one["params"]["symbol"] for _, one in feed.sent[1::2]]
    # Those that were not asked for before come first.
    assert asked == [list(symbols[:100]), list(symbols[100:] + symbols[:50])]


def test_books_with_requests_are_asked_for_at_once_and_subscribed_to_only_when_silent(
    clock: Clock,
) -> None:
    feed = Connected()
    kept = keeping(Binance("exchange", "ws://unused", "http://unused", 10), ("A", "B"), feed)
    assert kept._snapshots is not None
    kept._step()
    assert list(kept._snapshots._wanted) == ["A", "B"]
    assert feed.sent == []

    answer(kept, "A", "B")
    kept._step()
    clock.now_us = 30 * S
    kept.traded(["B"])
    kept._step()
    clock.now_us = 35 * S
    kept._step()
    assert [(line, one["params"]) for line, one in feed.sent] == [(4, ["b@depth@100ms"])]
    assert kept.states()["A"].bid == 1.0
    assert kept.states()["B"].bid is None


def test_message_that_cannot_be_read_is_told_once_and_puts_its_book_in_doubt(clock: Clock) -> None:
    feed = Connected()
    kept = keeping(Binance("exchange", "ws://unused", "http://unused", 10), ("A", "B"), feed)
    kept._step()
    answer(kept, "A", "B")
    kept._step()
    # The one before it proves nothing of it.
    kept._room.append(change("A", 6), 0, 4)
    broken = change("A", 7).replace(b'"9"', b'"0"')
    kept._room.append(broken, 1_700_000_000_000_000, 4)
    clock.now_us = S
    kept._step()

    rejected = kept.rejected()
    assert rejected["symbol"].to_list() == ["A"]
    assert rejected["payload"].to_list() == [broken.decode()]
    assert rejected["receive_time"].to_physical().to_list() == [1_700_000_000_000_000]
    assert kept.rejected().is_empty()
    assert (kept.states()["A"].bid, kept.states()["B"].bid) == (None, 1.0)


def test_what_was_told_two_seconds_ago_has_no_prices_any_more(clock: Clock) -> None:
    kept = keeping(Binance("exchange", "ws://unused", "http://unused", 10), ("A",), Connected())
    kept._step()
    answer(kept, "A")
    kept._step()
    clock.now_us = 2 * S - 1
    assert kept.states()["A"] == BookState(1.0, 2.0, 0.0)
    clock.now_us = 2 * S
    assert kept.states()["A"] == BookState()
    kept._step()
    assert kept.states()["A"].bid == 1.0


def test_what_was_asked_for_or_heard_before_a_connection_is_none_of_its_books(
    clock: Clock,
) -> None:
    clock.now_us, feed = 0, Connected()
    kept = keeping(Binance("exchange", "ws://unused", "http://unused", 10), ("A",), feed)
    kept._step()
    answer(kept, "A")
    feed.line = 5
    kept._room.append(change("A", 6), 0, 4)  # the last of the lost one
    kept._step()
    assert kept.states()["A"] == BookState()
    assert kept._books._lines.keys() == {5}
    answer(kept, "A")
    kept._step()
    assert kept.states()["A"].bid == 1.0


def test_snapshots_are_asked_for_only_of_what_is_subscribed_to(clock: Clock) -> None:
    feed = Connected()
    kept = keeping(Binance("exchange", "ws://unused", "http://unused", 10), ("A",), feed)
    assert kept._snapshots is not None
    kept._step()
    answer(kept, "A")
    kept._step()
    kept._snapshots._wanted.clear()
    clock.now_us = 70 * S  # silent for more than a minute: perhaps it is not subscribed to
    kept._messages_due_us = 71 * S
    kept._step()
    assert (list(kept._snapshots._wanted), feed.sent) == ([], [])
    clock.now_us = 71 * S
    kept._step()
    assert (list(kept._snapshots._wanted), len(feed.sent)) == (["A"], 1)
