"""Certificates of an authority of one's own, from a real server on loopback."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509

from actors.exchange.server import ExchangeServer
from actors.feed import Feed
from actors.frame_buffer import FrameBuffer
from actors.line import LineOptions
from actors.rest import RestClient
from actors.trust import trust_of
from pipeline.backoff import Backoff
from pipeline.errors import ConfigError, VenueDisconnected
from pipeline.venues.binance import Binance
from tests.certificates import LOOPBACK, Authority
from tests.waiting import wait_until
from tests.workers import market, running


@contextmanager
def exchange(
    authority: Authority, alternative: x509.GeneralName = LOOPBACK
) -> Iterator[tuple[Binance, ExchangeServer]]:
    cert, key = authority.issue(alternative)
    server = ExchangeServer(
        market(["BTCUSDT"]), host="127.0.0.1", port=0, tls_cert=cert, tls_key=key
    )
    port = server.start()
    yield Binance("exchange", f"wss://127.0.0.1:{port}", f"https://127.0.0.1:{port}"), server
    server.stop()


@contextmanager
def feed_of(venue: Binance, trust: ssl.SSLContext) -> Iterator[Feed]:
    feed = Feed(
        venue.connection(["BTCUSDT"]),
        FrameBuffer(1000),
        name="trust",
        backoff=Backoff(random.Random(1), max_s=0.1),  # noqa: S311 - not for secrets
        may_dial=lambda: 0.0,
        options=LineOptions(trust=trust),
    )
    feed.start()
    yield feed
    feed.stop()


def test_certificate_of_the_given_authority_is_believed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trust = trust_of(str(authority.certificate))
    with exchange(authority) as (venue, _):
        body = RestClient(trust=trust).get(venue.time_request())
        assert abs(venue.parse_time(body) - time.time_ns() // 1000) < 60_000_000
        with feed_of(venue, trust) as feed:
            wait_until(lambda: feed.status().connected, "a connection")


@pytest.mark.parametrize("case", ["machine", "other authority", "other host"])
def test_certificate_of_anybody_else_is_refused_and_the_error_says_what_to_do(
    tmp_path: Path, case: str
) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    ca_file = {"machine": None, "other authority": str(other.certificate)}.get(
        case, str(authority.certificate)
    )
    alternative = x509.DNSName("venue.example") if case == "other host" else LOOPBACK
    trust = trust_of(ca_file)
    with exchange(authority, alternative) as (venue, _):
        with pytest.raises(VenueDisconnected, match="its certificate is not trusted") as caught:
            RestClient(trust=trust).get(venue.time_request())
        assert "venue.ca_file names an authority of your own" in str(caught.value)
        with feed_of(venue, trust) as feed:
            wait_until(lambda: feed.status().last_error is not None, "a refusal")
            assert "its certificate is not trusted" in str(feed.status().last_error)
            assert not feed.status().connected


@pytest.mark.parametrize("text", [None, "not a certificate"])
def test_file_without_certificates_is_a_problem_of_the_configuration(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"venue\.ca_file: expected a file of PEM .*ca\.pem: "):
        trust_of(str(path))


def test_trust_always_checks_the_certificate_and_the_name() -> None:
    trust = trust_of(None)
    assert trust.verify_mode is ssl.CERT_REQUIRED
    assert trust.check_hostname


def test_worker_with_an_authority_of_its_own_reads_and_asks_over_tls(tmp_path: Path) -> None:
    source = market(["BTCUSDT"], trades_per_s=100.0)
    with running(source, ["BTCUSDT"], authority=Authority(tmp_path)) as (_, seen, _):
        wait_until(lambda: seen.health("BTCUSDT").get("live", 0) > 100, "live trades")  # type: ignore[operator]
    assert seen.health("BTCUSDT")["lost"] == 0
