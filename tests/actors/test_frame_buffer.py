from __future__ import annotations

import threading

from actors.frame_buffer import Batch, FrameBuffer, SortingSink


def test_buffer_drained_gives_everything_once() -> None:
    buffer = FrameBuffer(10)
    buffer.append(b"one", 1, line=1)
    buffer.append(b"two", 2, line=1)

    assert buffer.drain() == [Batch(1, [b"one", b"two"], [1, 2])]
    assert buffer.drain() == []


def test_buffer_of_two_connections_gives_the_older_one_first_and_each_in_order() -> None:
    buffer = FrameBuffer(10)
    for number, line in enumerate((8, 7, 8, 7)):
        buffer.append(b"%d" % number, number, line)

    assert buffer.drain() == [Batch(7, [b"1", b"3"], [1, 3]), Batch(8, [b"0", b"2"], [0, 2])]


def test_buffer_when_full_keeps_the_old_and_counts_the_new() -> None:
    buffer = FrameBuffer(2)
    for number in range(5):
        buffer.append(b"%d" % number, number, line=number % 2)

    assert buffer.drain() == [Batch(0, [b"0"], [0]), Batch(1, [b"1"], [1])]
    assert buffer.dropped == 3


def test_buffer_drained_has_room_again() -> None:
    buffer = FrameBuffer(1)
    buffer.append(b"one", 1, line=1)
    buffer.drain()
    buffer.append(b"two", 2, line=1)

    assert buffer.drain() == [Batch(1, [b"two"], [2])]
    assert buffer.dropped == 0


def test_buffer_under_two_threads_keeps_every_message_in_order() -> None:
    buffer = FrameBuffer(1_000_000)
    expected = [str(number).encode() for number in range(20_000)]

    def fill() -> None:
        for number, message in enumerate(expected):
            buffer.append(message, number, line=1)

    thread = threading.Thread(target=fill)
    thread.start()
    messages: list[bytes] = []
    times: list[int] = []
    while len(messages) < len(expected):
        for batch in buffer.drain():
            messages += batch.messages
            times += batch.receive_us
    thread.join()

    assert messages == expected
    assert times == list(range(20_000))
    assert buffer.dropped == 0


def test_sorting_sink_gives_books_a_room_of_their_own_that_leaves_the_others_theirs() -> None:
    trades, books = FrameBuffer(1), FrameBuffer(2)
    sink = SortingSink(trades, books, lambda message: message.startswith(b"book"))
    for number, message in enumerate((b"book 1", b"book 2", b"book 3", b"trade")):
        sink.append(message, number, line=7)

    assert trades.drain() == [Batch(7, [b"trade"], [3])]
    assert books.drain() == [Batch(7, [b"book 1", b"book 2"], [0, 1])]
    assert (trades.dropped, books.dropped) == (0, 1)
