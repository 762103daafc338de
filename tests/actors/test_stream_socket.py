"""Proxies and transport security; what a connection does with frames is in test_feed."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import websocket

from actors.stream_socket import StreamSocket
from tests.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 10.0


class TlsServer:
    """Reads one request over TLS and then does nothing until it is told to answer."""

    def __init__(self, directory: Path) -> None:
        authority = Authority(directory)
        self.certificate = authority.certificate
        chain, key = authority.issue()
        self.asked, self.may_answer = threading.Event(), threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self.listener = context.wrap_socket(
            socket.create_server(("127.0.0.1", 0)), server_side=True
        )
        self.listener.settimeout(DEADLINE_S)
        self.url = f"wss://127.0.0.1:{self.listener.getsockname()[1]}/stream"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        with suppress(OSError), self.listener, self.listener.accept()[0] as sock:
            sock.recv(4096)
            self.asked.set()
            self.may_answer.wait(DEADLINE_S)
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer(tmp_path)
    yield server
    server.may_answer.set()
    server.thread.join()


def test_dial_refuses_a_certificate_nobody_vouches_for(server: TlsServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        StreamSocket(5).dial(server.url, timeout_s=DEADLINE_S)

    assert not server.asked.is_set()


def test_dial_trusts_the_authority_of_the_environment(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(server.certificate))
    server.may_answer.set()

    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        StreamSocket(5).dial(server.url, timeout_s=DEADLINE_S)


def test_dial_elsewhere_goes_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(DEADLINE_S)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        thread = threading.Thread(target=dial_into_the_void, args=("ws://venue.invalid/stream",))
        thread.start()
        with proxy.accept()[0] as sock:
            request = sock.recv(4096)
        thread.join()

    assert request.startswith(b"CONNECT venue.invalid:80 HTTP/1.1")


def dial_into_the_void(url: str) -> None:
    with suppress(OSError, websocket.WebSocketException):
        StreamSocket(5).dial(url, timeout_s=DEADLINE_S)


def test_end_of_a_connection_that_is_gone_does_nothing() -> None:
    stream_socket = StreamSocket(5)
    stream_socket.end("before it was dialed")
    with socket.socket() as sock:
        stream_socket.sock = sock
        stream_socket.end("after it was lost")

    assert stream_socket.end_reason == "after it was lost"


def test_end_over_tls_wakes_the_thread_that_reads(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(server.certificate))
    stream_socket = StreamSocket(5)
    failures: list[Exception] = []

    def dial() -> None:
        try:
            stream_socket.dial(server.url, timeout_s=60.0)
        except (OSError, websocket.WebSocketException) as error:
            failures.append(error)

    thread = threading.Thread(target=dial)
    thread.start()
    assert server.asked.wait(DEADLINE_S)

    stream_socket.end("stopped")
    thread.join(DEADLINE_S)

    assert not thread.is_alive()
    assert len(failures) == 1
    assert stream_socket.end_reason == "stopped"
