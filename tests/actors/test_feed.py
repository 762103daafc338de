from __future__ import annotations

import base64
import hashlib
import logging
import random
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest

from actors.feed import Feed, Leg
from actors.frame_buffer import FrameBuffer
from actors.line import LineOptions
from pipeline.backoff import Backoff
from pipeline.venues.protocol import Connection
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeFeed = Callable[..., Feed]

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
DEADLINE_S = 10.0


class Peer:
    """The venue's end of a connection, played by the test."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(DEADLINE_S)
        request = b""
        while b"\r\n\r\n" not in request:
            request += sock.recv(4096)
        lines = request.decode().split("\r\n")
        self.path = lines[0].split(" ")[1]
        self.key = next(line[19:] for line in lines if line.startswith("Sec-WebSocket-Key: "))

    def welcome(self) -> None:
        digest = hashlib.sha1(f"{self.key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324 - the protocol
        accept = base64.b64encode(digest).decode()
        self.sock.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    def send(self, opcode: int, payload: bytes = b"", *, final: bool = True) -> None:
        self.sock.sendall(frame(opcode, payload, final=final))

    def read(self) -> tuple[int, bytes]:
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._read(2))
        mask = self._read(4)
        payload = self._read(length)
        return first & 0xF, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            assert piece, "the feed closed the connection"
            data += piece
        return data

    def abort(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Server:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE_S)
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}"
        self.accepted: list[socket.socket] = []

    def accept_tcp(self) -> socket.socket:
        sock, _ = self.listener.accept()
        self.accepted.append(sock)
        return sock

    def accept(self) -> Peer:
        peer = Peer(self.accept_tcp())
        peer.welcome()
        return peer

    def close(self) -> None:
        for sock in [self.listener, *self.accepted]:
            sock.close()


def quick_backoff() -> Backoff:
    return Backoff(random.Random(1), max_s=0.05)  # noqa: S311 - not for secrets


class RecordingBackoff(Backoff):
    """Also remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(random.Random(1), max_s=0.05)  # noqa: S311 - not for secrets
        self.lived_s: list[float] = []

    def next_wait_s(self, *, lived_s: float) -> float:
        self.lived_s.append(lived_s)
        return super().next_wait_s(lived_s=lived_s)


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    first = opcode | (0x80 if final else 0)
    if len(payload) < 126:
        return struct.pack("!BB", first, len(payload)) + payload
    return struct.pack("!BBH", first, 126, len(payload)) + payload


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def make_feed() -> Iterator[Callable[..., Feed]]:
    feeds: list[Feed] = []

    def make(
        url: str,
        *,
        buffer: FrameBuffer | None = None,
        on_open: tuple[str, ...] = (),
        backoff: Backoff | None = None,
        silence_s: float = 30.0,
        life_s: float | None = None,
        may_dial: Callable[[], float] = lambda: 0.0,
    ) -> Feed:
        feed = Feed(
            Connection(f"{url}/stream?streams=a@aggTrade", on_open),
            FrameBuffer(1000) if buffer is None else buffer,
            name="test",
            backoff=quick_backoff() if backoff is None else backoff,
            may_dial=may_dial,
            life_s=life_s,
            options=LineOptions(silence_s=silence_s),
        )
        feeds.append(feed)
        return feed

    yield make
    for feed in feeds:
        feed.stop()
    wait_until(lambda: not [one for one in threading.enumerate() if "feed-test" in one.name])


def drain(buffer: FrameBuffer, count: int) -> list[bytes]:
    messages: list[bytes] = []

    def enough() -> bool:
        messages.extend(message for batch in buffer.drain() for message in batch.messages)
        return len(messages) >= count

    wait_until(enough)
    return messages


def test_feed_before_the_first_connection_says_so(server: Server, make_feed: MakeFeed) -> None:
    status = make_feed(server.url).status()

    assert (status.connected, status.generation, status.reconnects) == (False, 0, 0)
    assert status.last_error is None


def test_feed_stamps_messages_on_arrival(server: Server, make_feed: MakeFeed) -> None:
    buffer = FrameBuffer(10)
    make_feed(server.url, buffer=buffer).start()
    peer = server.accept()
    before_us = time.time_ns() // 1_000
    peer.send(TEXT, b"one")
    peer.send(TEXT, "zwölf".encode())

    messages: list[bytes] = []
    times: list[int] = []
    while len(messages) < 2:
        for batch in buffer.drain():
            messages += batch.messages
            times += batch.receive_us

    assert peer.path == "/stream?streams=a@aggTrade"
    assert messages == [b"one", "zwölf".encode()]
    assert before_us <= times[0] <= times[1] <= time.time_ns() // 1_000


def test_feed_reads_frames_however_they_are_cut(server: Server, make_feed: MakeFeed) -> None:
    buffer = FrameBuffer(10_000)
    make_feed(server.url, buffer=buffer).start()
    peer = server.accept()
    expected = [bytes([65 + number % 26]) * (number % 300) for number in range(2_000)]

    peer.sock.sendall(b"".join(frame(TEXT, payload) for payload in expected))
    for byte in frame(TEXT, b"byte by byte"):
        peer.sock.sendall(bytes([byte]))
    peer.send(TEXT, b"in ", final=False)
    peer.send(PING, b"between")
    peer.send(0x0, b"two parts")
    peer.send(TEXT, b"no text \xff")
    peer.send(BINARY, b"binary")

    assert drain(buffer, 2_004) == [
        *expected,
        b"byte by byte",
        b"in two parts",
        b"no text \xff",
        b"binary",
    ]
    assert peer.read() == (PONG, b"between")


def test_feed_with_a_full_buffer_answers_pings_and_counts_what_it_drops(
    server: Server, make_feed: MakeFeed
) -> None:
    buffer = FrameBuffer(2)
    make_feed(server.url, buffer=buffer).start()
    peer = server.accept()

    for payload in (b"1", b"2", b"3", b"4", b"5"):
        peer.send(TEXT, payload)
    peer.send(PING, b"1633998523963")

    assert peer.read() == (PONG, b"1633998523963")
    assert buffer.drain()[0].messages == [b"1", b"2"]
    assert buffer.dropped == 3


def close_with(code: int, reason: bytes = b"") -> Callable[[Peer], None]:
    return lambda peer: peer.send(CLOSE, struct.pack("!H", code) + reason)


@pytest.mark.parametrize(
    ("lose", "error"),
    [
        (Peer.abort, "Connection reset by peer"),
        (lambda peer: peer.sock.close(), "Connection to remote host was lost"),
        (close_with(1001), "closed by the venue: 1001"),
        (close_with(1008, b"Too many requests"), "closed by the venue: 1008 Too many requests"),
        (lambda peer: peer.send(CLOSE), "closed by the venue without a code"),
        (lambda _: None, "silent for 0.3 s"),
        (lambda peer: peer.send(0x3, b"reserved"), "Invalid opcode 3"),
        (lambda peer: peer.sock.sendall(b"\x81\x7e\x00"), "silent for 0.3 s"),
    ],
    ids=["abort", "fin", "1001", "1008", "no-code", "half-open", "no-websocket", "half-a-frame"],
)
def test_feed_after_any_loss_connects_and_subscribes_again(
    server: Server, make_feed: MakeFeed, lose: Callable[[Peer], None], error: str
) -> None:
    feed = make_feed(server.url, on_open=("subscribe",), silence_s=0.3)
    feed.start()
    peer = server.accept()
    assert peer.read() == (TEXT, b"subscribe")

    lose(peer)
    again = server.accept()

    assert again.read() == (TEXT, b"subscribe")
    assert again.path == peer.path
    wait_until(lambda: feed.status().connected)
    status = feed.status()
    assert (status.generation, status.reconnects) == (2, 1)
    assert status.last_error is not None
    assert error in status.last_error


def test_feed_with_pings_only_stays_connected(server: Server, make_feed: MakeFeed) -> None:
    feed = make_feed(server.url, silence_s=1.5)
    feed.start()
    peer = server.accept()

    for _ in range(2):
        wait_until(lambda: feed.status().silent_s > 0.8)
        peer.send(PING, b"alive")
        assert peer.read() == (PONG, b"alive")
    wait_until(lambda: feed.status().silent_s < 0.3)

    assert feed.status().generation == 1
    assert feed.status().connected


def test_feed_with_bytes_but_never_a_frame_gives_up(server: Server, make_feed: MakeFeed) -> None:
    feed = make_feed(server.url, silence_s=0.3)
    feed.start()
    peer = server.accept()
    peer.sock.sendall(b"\x81\x7e\xff\xff")

    def dripped() -> bool:
        if feed.status().last_error is None:
            peer.sock.sendall(b"x")
            return False
        return True

    wait_until(dripped)

    assert feed.status().last_error == "silent for 0.3 s"


def test_feed_sends_what_is_due_on_open_at_a_pace_the_venue_takes(
    server: Server, make_feed: MakeFeed
) -> None:
    feed = make_feed(server.url, on_open=tuple("123456"))
    feed.start()
    peer = server.accept()

    received = [(peer.read(), time.monotonic()) for _ in range(6)]

    assert [message for message, _ in received] == [
        (TEXT, b"%d" % number) for number in range(1, 7)
    ]
    # Five a second, and room for a pong among them.
    assert received[4][1] - received[0][1] > 1.0
    wait_until(lambda: feed.status().connected)


def test_feed_asked_to_reconnect_does_so_and_says_why(server: Server, make_feed: MakeFeed) -> None:
    feed = make_feed(server.url)
    feed.start()
    server.accept()
    wait_until(lambda: feed.status().connected)

    feed.reconnect(1, "the venue will close")
    server.accept()

    wait_until(lambda: feed.status().generation == 2)
    assert feed.status().last_error == "the venue will close"


def test_feed_refused_in_the_handshake_says_so_and_tries_again(
    server: Server, make_feed: MakeFeed
) -> None:
    feed = make_feed(server.url)
    feed.start()
    refused = Peer(server.accept_tcp())
    refused.sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nGo!\n")

    peer = server.accept()
    peer.send(PING)

    assert peer.read() == (PONG, b"")
    assert feed.status().last_error == "handshake refused: HTTP 403 Forbidden"
    assert feed.status().generation == 1


def test_feed_without_a_listener_says_so_until_there_is_one(make_feed: MakeFeed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    feed = make_feed(f"ws://127.0.0.1:{port}")

    feed.start()
    wait_until(lambda: "refused" in str(feed.status().last_error))

    assert not feed.status().connected
    assert feed.status().generation == 0


def test_feed_tells_the_back_off_how_long_a_connection_lived(
    server: Server, make_feed: MakeFeed
) -> None:
    backoff = RecordingBackoff()
    feed = make_feed(server.url, backoff=backoff)
    started_s = time.monotonic()
    feed.start()
    server.accept_tcp().close()
    peer = server.accept()
    wait_until(lambda: feed.status().silent_s > 0.05 and feed.status().connected)
    peer.abort()
    server.accept()

    start, never_open, lived = backoff.lived_s[:3]
    assert (start, never_open) == (0.0, 0.0)
    assert 0.05 < lived < time.monotonic() - started_s


def test_feed_survives_what_it_did_not_expect(
    make_feed: MakeFeed, caplog: pytest.LogCaptureFixture
) -> None:
    feed = make_feed("gopher://127.0.0.1")

    with caplog.at_level(logging.ERROR):
        feed.start()
        wait_until(lambda: len(caplog.records) >= 2)

    assert feed.status().last_error == "ValueError('scheme gopher is invalid')"
    assert caplog.records[0].exc_info is not None


def test_feed_stops_at_once_while_connected(
    server: Server, make_feed: MakeFeed, caplog: pytest.LogCaptureFixture
) -> None:
    feed = make_feed(server.url)
    feed.start()
    peer = server.accept()
    wait_until(lambda: feed.status().connected)

    started_s = time.monotonic()
    feed.stop()

    assert time.monotonic() - started_s < 2.0
    assert not feed.status().connected
    assert peer.sock.recv(1) == b""
    assert not caplog.records


def test_feed_stops_at_once_in_a_handshake(server: Server, make_feed: MakeFeed) -> None:
    feed = make_feed(server.url)
    feed.start()
    Peer(server.accept_tcp())

    started_s = time.monotonic()
    feed.stop()

    assert time.monotonic() - started_s < 2.0


def test_feed_stops_at_once_while_it_waits(server: Server, make_feed: MakeFeed) -> None:
    feed = make_feed(server.url, may_dial=lambda: 300.0)
    feed.start()

    started_s = time.monotonic()
    feed.stop()
    feed.stop()

    assert time.monotonic() - started_s < 2.0


def test_feed_to_loopback_ignores_the_proxy_of_the_environment(
    server: Server, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    feed = make_feed(server.url)

    feed.start()
    server.accept()

    wait_until(lambda: feed.status().connected)
    assert feed.status().last_error is None


def open_feed(server: Server, feed: Feed) -> Peer:
    feed.start()
    peer = server.accept()
    wait_until(lambda: feed.status().connected)
    return peer


def successor_of(feed: Feed, server: Server) -> Peer:
    peer = server.accept()
    wait_until(lambda: feed.status().successor is not None)
    return peer


def test_feed_asked_to_replace_reads_both_connections_until_the_new_one_is_promoted(
    server: Server, make_feed: MakeFeed
) -> None:
    buffer = FrameBuffer(100)
    feed = make_feed(server.url, buffer=buffer)
    old = open_feed(server, feed)

    feed.replace(1, "the venue will close")
    new = successor_of(feed, server)
    old.send(TEXT, b"old")
    new.send(TEXT, b"new")

    messages: list[tuple[int, bytes]] = []

    def both() -> bool:
        for batch in buffer.drain():
            messages.extend((batch.line, message) for message in batch.messages)
        return len(messages) >= 2

    wait_until(both)
    assert sorted(messages) == [(1, b"old"), (2, b"new")]
    assert feed.status().current == Leg(1, ANY)
    feed.promote(2)
    assert old.sock.recv(1) == b""
    status = feed.status()
    assert (status.current, status.successor) == (Leg(2, ANY), None)
    assert (status.generation, status.reconnects, status.handovers) == (1, 0, 1)
    new.send(TEXT, b"goes on")
    assert drain(buffer, 1) == [b"goes on"]


def test_feed_whose_connection_ends_before_its_successor_is_proven_says_so(
    server: Server, make_feed: MakeFeed
) -> None:
    feed = make_feed(server.url)
    old = open_feed(server, feed)
    feed.replace(1, "the venue will close")
    new = successor_of(feed, server)

    old.abort()

    wait_until(lambda: feed.status().current == Leg(2, ANY))
    status = feed.status()
    assert (status.generation, status.reconnects, status.handovers) == (2, 1, 0)
    feed.promote(2)
    assert feed.status().handovers == 0
    new.send(PING, b"lives")
    assert new.read() == (PONG, b"lives")


def test_feed_whose_successor_fails_keeps_its_connection_and_tries_again(
    server: Server, make_feed: MakeFeed
) -> None:
    feed = make_feed(server.url)
    open_feed(server, feed)
    feed.replace(1, "the venue will close")
    successor_of(feed, server).abort()

    successor_of(feed, server)

    status = feed.status()
    assert (status.current, status.successor, status.generation) == (Leg(1, ANY), Leg(3, ANY), 1)
    feed.promote(2)
    assert feed.status().current == Leg(1, ANY)
    feed.reconnect(3, "not proven")
    wait_until(lambda: feed.status().last_error == "not proven")
    successor_of(feed, server)
    assert feed.status().connected


def test_feed_replaces_a_connection_that_has_lived_long_enough(
    server: Server, make_feed: MakeFeed
) -> None:
    feed = make_feed(server.url, life_s=0.3)
    open_feed(server, feed)
    for line in (2, 3):
        successor_of(feed, server)
        feed.promote(line)

    assert (feed.status().generation, feed.status().handovers) == (1, 2)


def test_feed_without_leave_to_dial_waits_and_asks_again(
    server: Server, make_feed: MakeFeed
) -> None:
    waits = iter([0.05, 0.05])
    feed = make_feed(server.url, may_dial=lambda: next(waits, 0.0))

    open_feed(server, feed)

    assert next(waits, None) is None


def test_feed_sends_on_the_connection_it_is_told(server: Server, make_feed: MakeFeed) -> None:
    feed = make_feed(server.url)
    old = open_feed(server, feed)
    feed.replace(1, "the venue will close")
    new = successor_of(feed, server)

    for line in (1, 2, 7):
        feed.send(line, f"to {line}")

    assert old.read() == (TEXT, b"to 1")
    assert new.read() == (TEXT, b"to 2")


def test_feed_that_is_sent_to_under_load_keeps_to_what_the_venue_takes(
    server: Server, make_feed: MakeFeed
) -> None:
    buffer = FrameBuffer(1)
    feed = make_feed(server.url, buffer=buffer)
    peer = open_feed(server, feed)
    for number in range(7):
        feed.send(1, str(number))
    received: list[tuple[float, tuple[int, bytes]]] = []

    def read() -> None:
        while len(received) < 9:
            one = peer.read()
            received.append((time.monotonic(), one))

    thread = threading.Thread(target=read)
    thread.start()
    # Nobody drains the buffer, and trades never stop coming.
    for turn in range(3000):
        peer.send(TEXT, b"x" * 100)
        if turn in {1000, 2000}:
            peer.send(PING, b"%d" % turn)
    thread.join(DEADLINE_S)

    assert [one for _, one in received if one[0] == TEXT] == [
        (TEXT, b"%d" % number) for number in range(7)
    ]
    # The second ping was one too many at first.
    pongs = [payload for _, (opcode, payload) in received if opcode == PONG]
    assert pongs in ([b"1000", b"2000"], [b"2000"])
    times = [at for at, _ in received]
    assert min(last - first for first, last in zip(times, times[5:], strict=False)) > 1.0


def test_feed_refused_for_a_time_comes_again_after_it(server: Server, make_feed: MakeFeed) -> None:
    feed = make_feed(server.url)
    feed.start()
    refused = Peer(server.accept_tcp())
    refused.sock.sendall(
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    )
    refused_s = time.monotonic()

    server.accept()

    assert time.monotonic() - refused_s > 0.9
    assert feed.status().last_error == "handshake refused: HTTP 429 Too Many Requests"
