from __future__ import annotations

import threading

from actors.feed import FrameBuffer


def test_buffer_drained_gives_everything_once() -> None:
    buffer = FrameBuffer(10)
    buffer.append(b"one", 1)
    buffer.append(b"two", 2)

    assert buffer.drain() == ([b"one", b"two"], [1, 2])
    assert buffer.drain() == ([], [])


def test_buffer_when_full_keeps_the_old_and_counts_the_new() -> None:
    buffer = FrameBuffer(2)
    for number in range(5):
        buffer.append(b"%d" % number, number)

    assert buffer.drain() == ([b"0", b"1"], [0, 1])
    assert buffer.dropped == 3


def test_buffer_drained_has_room_again() -> None:
    buffer = FrameBuffer(1)
    buffer.append(b"one", 1)
    buffer.drain()
    buffer.append(b"two", 2)

    assert buffer.drain() == ([b"two"], [2])
    assert buffer.dropped == 0


def test_buffer_under_two_threads_keeps_every_message_in_order() -> None:
    buffer = FrameBuffer(1_000_000)
    expected = [str(number).encode() for number in range(20_000)]

    def fill() -> None:
        for number, message in enumerate(expected):
            buffer.append(message, number)

    thread = threading.Thread(target=fill)
    thread.start()
    messages: list[bytes] = []
    times: list[int] = []
    while len(messages) < len(expected):
        drained = buffer.drain()
        messages += drained[0]
        times += drained[1]
    thread.join()

    assert messages == expected
    assert times == list(range(20_000))
    assert buffer.dropped == 0
