"""What is fed with broken messages, and what it must do with each."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.errors import VenueError
from pipeline.orderbook import Change, ChecksumBook, NumberedBook, Snapshot
from pipeline.schema import REJECTED, TRADES
from pipeline.venues.binance_book import parse_change
from pipeline.venues.kraken_book import checksum, parse_book
from pipeline.venues.registry import venue_for
from pipeline.venues.rows import Rejection
from tests.conformance.venue_samples import SAMPLES
from tests.kraken_frames import book_frames, trade_frames
from tests.recorded import DATA, recorded_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.orderbook import OrderBook
    from pipeline.venues.protocol import Parsed, Venue

# Any time after the recorded trades.
_RECEIVE_US = 1_700_000_000_000_000

#: Recorded messages are many, long and alike: some of them are enough.
_MOST_FRAMES, _LONGEST_FRAME = 400, 4_000


class StreamTarget:
    """`parse` of a venue: counts each message once, and never raises."""

    def __init__(self, name: str, frames: Sequence[bytes]) -> None:
        self.name = f"{name} stream"
        self.corpus = [*_samples(name), *frames]
        self._venue = _venue(name)

    def feed(self, messages: Sequence[bytes]) -> Counter[str]:
        """Return how many messages were what; rejections by reason."""
        times = [_RECEIVE_US + place for place in range(len(messages))]
        parsed = self._venue.parse(messages, times)
        _check(parsed, len(messages))
        outcomes = Counter(_kind(reason) for reason in parsed.rejected["reason"])
        counts = {"trades": parsed.data, "replies": parsed.replies, "other": parsed.other}
        return outcomes + Counter(counts)

    def check_alone(self, message: bytes) -> None:
        """Check that a message alone is told as it is among others."""
        alone = self._venue.parse([message], [_RECEIVE_US])
        known = SAMPLES[self._venue.name].trade
        among = self._venue.parse([known, message, known], [_RECEIVE_US] * 3)
        _check(alone, 1)
        assert among.trades[1:-1].equals(alone.trades), message
        assert among.rejected.equals(alone.rejected), message


class AnswerTarget:
    """The answers a venue gives over REST: each is read, or refused by a `VenueError`."""

    def __init__(self, name: str) -> None:
        self.name = f"{name} answers"
        samples, self._venue = SAMPLES[name], _venue(name)
        self.corpus = [samples.page, samples.no_trades, samples.listing, samples.time]
        self.corpus += [samples.volumes, samples.no_volume]
        symbol = samples.symbol
        self._readers: tuple[Callable[[bytes], object], ...] = (
            lambda body: self._venue.parse_trades(body, symbol, _RECEIVE_US),
            lambda body: self._venue.parse_bars(body, symbol),
            self._venue.parse_instruments,
            self._venue.parse_time,
            self._volumes,
        )

    def feed(self, messages: Sequence[bytes]) -> Counter[str]:
        """Return how many bodies could be read as something, and how many as nothing."""
        outcomes: Counter[str] = Counter()
        for body in messages:
            read = sum(self._is_read(body, reader) for reader in self._readers)
            outcomes["read" if read else "refused: no such answer"] += 1
        return outcomes

    def _volumes(self, body: bytes) -> None:
        volumes = self._venue.parse_volumes(body)
        assert all(0.0 <= volume < math.inf for volume in volumes.values()), volumes

    def check_alone(self, message: bytes) -> None:
        """Nothing more: an answer is always alone."""

    @staticmethod
    def _is_read(body: bytes, reader: Callable[[bytes], object]) -> bool:
        try:
            reader(body)
        except VenueError:
            return False
        return True


class BookTarget:
    """What messages say about books is read or refused, and never breaks a book."""

    def __init__(
        self,
        name: str,
        frames: Sequence[bytes],
        parse: Callable[[bytes], Sequence[Snapshot | Change] | Rejection | None],
        book: OrderBook,
    ) -> None:
        self.name = f"{name} books"
        self.corpus = [*_samples(name), *frames]
        self._parse = parse
        self._book = book

    def feed(self, messages: Sequence[bytes]) -> Counter[str]:
        """Return how many messages were what; rejections by reason."""
        outcomes: Counter[str] = Counter()
        for message in messages:
            parsed = self._parse(message)
            if parsed is None:
                outcomes["other"] += 1
            elif isinstance(parsed, Rejection):
                assert parsed.reason
                outcomes[_kind(parsed.reason)] += 1
            else:
                outcomes["books"] += 1
                for event in parsed:
                    self._book.apply(event)
                    # What is wrong with a book must not hide what else a message may do to it.
                    self._book.apply(Snapshot(event.symbol, (), (), last_id=event.last_id))
        return outcomes

    def check_alone(self, message: bytes) -> None:
        """Nothing more: a message is always read alone."""


def _binance_change(message: bytes) -> Sequence[Change] | Rejection | None:
    parsed = parse_change(message)
    return [parsed] if isinstance(parsed, Change) else parsed


Target = StreamTarget | AnswerTarget | BookTarget


def targets() -> list[Target]:
    """Return all of them; without recordings they are fed with samples only."""
    binance: list[bytes] = []
    kraken: list[bytes] = []
    books: list[bytes] = []
    if DATA.exists():
        for name in ("BINANCE_US.ws.1.0.gz", "BINANCE_FUTURES.ws.1.0.gz"):
            frames = recorded_frames(name)[0]
            # Trades are few among them, and what matters most.
            trades = [frame for frame in frames if b"aggTrade" in frame]
            binance += [*trades * 4, *frames[:_MOST_FRAMES]]
        books = [frame for frame in book_frames() if len(frame) < _LONGEST_FRAME]
        kraken = [*trade_frames()[0] * 40, *books[:_MOST_FRAMES]]
    return [
        StreamTarget("binance", binance),
        StreamTarget("kraken", kraken),
        AnswerTarget("binance"),
        AnswerTarget("kraken"),
        BookTarget(
            "binance", [f for f in binance if b"depth" in f], _binance_change, NumberedBook()
        ),
        BookTarget("kraken", books[:_MOST_FRAMES], parse_book, ChecksumBook(1000, checksum)),
    ]


def _venue(name: str) -> Venue:
    return venue_for(name, websocket_url="ws://unused", rest_url="http://unused")


def _samples(name: str) -> list[bytes]:
    samples = SAMPLES[name]
    return [
        *(samples.trade, samples.unsound, samples.acknowledgement, samples.refusal),
        *samples.others,
    ]


def _check(parsed: Parsed, messages: int) -> None:
    counted = parsed.data + parsed.replies + parsed.other + parsed.rejected_messages
    assert counted == messages, f"{messages} messages, {counted} counted"
    assert parsed.trades.height >= parsed.data
    assert parsed.rejected.height >= parsed.rejected_messages
    assert (parsed.trades.schema, parsed.rejected.schema) == (TRADES, REJECTED)
    assert parsed.trades.null_count().row(0) == (0,) * len(TRADES)
    reasons = parsed.rejected["reason"]
    assert reasons.null_count() == 0
    assert (reasons.str.len_chars() > 0).all()
    assert len(parsed.refusals) <= parsed.replies


def _kind(reason: str) -> str:
    """Return a reason without what is particular to one message."""
    if "codec can't decode" in reason:
        return "rejected: invalid JSON: no UTF-8"
    text = re.sub(r"\d+", "#", reason.split(" - at ", maxsplit=1)[0])
    return "rejected: " + re.sub(r"'[^']*'", "'...'", text)[:70]
