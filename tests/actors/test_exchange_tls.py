"""The exchange over TLS, with certificates of an authority that only the test believes."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket

from actors.exchange.server import ExchangeServer
from pipeline.errors import ConfigError
from tests.actors.test_exchange_server import connected, market, read_until, serving
from tests.certificates import Authority
from tests.commands import Command


def ask(url: str, authority: Authority, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
    request = urllib.request.Request(  # noqa: S310 - loopback
        url, data=None if body is None else json.dumps(body).encode()
    )
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    with urllib.request.urlopen(request, context=trust) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())


@contextmanager
def secure(url: str, authority: Authority) -> Iterator[websocket.WebSocket]:
    client = websocket.create_connection(
        url, sslopt={"ca_certs": str(authority.certificate)}, timeout=20
    )
    try:
        yield client
    finally:
        client.shutdown()


def test_exchange_command_serves_both_protocols_and_faults_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue()
    command = Command(
        "exchange", "configs/demo.yaml", "--port", "0", "--admin",
        "--tls-cert", str(cert), "--tls-key", str(key), log=tmp_path / "log",
    )  # fmt: skip
    try:
        websocket_url, rest_url = command.line_with("exchange: ").split()[1:]
        assert websocket_url.startswith("wss://")
        assert ask(f"{rest_url}/api/v3/ping", authority) == {}
        with secure(f"{websocket_url}/ws/btcusdt@aggTrade", authority) as client:
            sent = read_until(client, lambda found: len(found) >= 3)
            ids = f"symbol=BTCUSDT&fromId={sent[0]['a']}&limit=3"
            served = ask(f"{rest_url}/api/v3/aggTrades?{ids}", authority)
            # What is below TLS tells whether it was reset.
            raw = socket.socket(fileno=client.sock.detach())
            raw.settimeout(20)  # the descriptor does not block: without a timeout, reading fails
            ask(f"{rest_url}/admin/faults", authority, {"fault": "abort"})
            with raw, pytest.raises(ConnectionResetError):
                any(not raw.recv(65_536) for _ in itertools.count())
    finally:
        command.end()
    assert [(one["a"], one["p"]) for one in served] == [(one["a"], one["p"]) for one in sent]


def test_certificate_and_key_may_be_in_one_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue()
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    with (
        serving(market(), tls_cert=both) as port,
        secure(f"wss://127.0.0.1:{port}/ws/btcusdt@trade", authority) as client,
    ):
        assert json.loads(client.recv())["e"] == "trade"


def test_client_that_believes_nobody_or_speaks_plainly_is_not_served(tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).issue()
    with serving(market(), tls_cert=cert, tls_key=key) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            websocket.create_connection(f"wss://127.0.0.1:{port}/ws", timeout=20)
        with (
            pytest.raises((websocket.WebSocketException, OSError)),
            connected(port, "/ws"),
        ):
            pass


@pytest.mark.parametrize("case", ["no certificate in it", "the key of another"])
def test_certificate_that_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    cert, key = Authority(tmp_path).issue()
    if case == "no certificate in it":
        cert = key
    else:
        (tmp_path / "other").mkdir()
        _, key = Authority(tmp_path / "other").issue()
    server = ExchangeServer(market(), host="127.0.0.1", port=0, tls_cert=cert, tls_key=key)
    with pytest.raises(ConfigError, match="tls_cert: cannot use"):
        server.start()
