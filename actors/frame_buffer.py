"""Messages on their way from the threads that read them to the one that parses them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Sink(Protocol):
    """Where the threads that read connections put what they read."""

    def append(self, message: bytes, receive_us: int, line: int) -> None:
        """Take a message of a connection; returns at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one connection delivered, in the order of arrival."""

    line: int
    messages: list[bytes] = field(default_factory=list)
    receive_us: list[int] = field(default_factory=list)


class FrameBuffer:
    """Holds messages of a few connections until they are drained.

    When it is full a new message is dropped and counted: a dropped trade is a hole in the ids,
    which is healed over REST.

    Args:
        max_frames: The most messages it holds.
    """

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._lock = threading.Lock()
        self._batches: dict[int, Batch] = {}
        self._room = max_frames
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many messages were dropped so far."""
        return self._dropped

    def append(self, message: bytes, receive_us: int, line: int) -> None:
        """Add a message of a connection, or drop it when the buffer is full."""
        with self._lock:
            if not self._room:
                self._dropped += 1
                return
            self._room -= 1
            batch = self._batches.get(line)
            if batch is None:
                batch = self._batches[line] = Batch(line)
            batch.messages.append(message)
            batch.receive_us.append(receive_us)

    def drain(self) -> list[Batch]:
        """Take out every message: a batch a connection, the older connection first."""
        with self._lock:
            batches, self._batches, self._room = self._batches, {}, self._max_frames
        return [batches[line] for line in sorted(batches)]


class SortingSink:
    """Puts messages about books into a room of their own: neither kind can crowd out the other.

    Args:
        trades: Takes all other messages.
        books: Takes those.
        is_book: Tells them apart, cheaply.
    """

    def __init__(self, trades: Sink, books: Sink, is_book: Callable[[bytes], bool]) -> None:
        self._trades = trades
        self._books = books
        self._is_book = is_book

    def append(self, message: bytes, receive_us: int, line: int) -> None:
        """Take a message of a connection."""
        sink = self._books if self._is_book(message) else self._trades
        sink.append(message, receive_us, line)
