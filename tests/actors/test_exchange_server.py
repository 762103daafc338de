from __future__ import annotations

import gzip
import hashlib
import http.client
import itertools
import json
import socket
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import websocket

from actors.exchange.server import ExchangeServer
from pipeline.durations import MINUTE, SECOND
from pipeline.errors import AddressError, ConfigError, ExchangeEnded, ReplayError
from pipeline.exchange.limits import Limits
from pipeline.exchange.replay import Replay, open_replay
from pipeline.market import SyntheticMarket
from tests.recorded import DATA, needs_recordings
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.exchange.trades import TradeSource

RECORDED = DATA / "ticks-freqtrade/XRP_OLD-trades.json.gz"
T0_US = 1_700_000_040_000_000
PING, CLOSE = 0x9, 0x8


@contextmanager
def serving(source: TradeSource, **options: Any) -> Iterator[int]:  # noqa: ANN401 - as named there
    server = ExchangeServer(source, host="127.0.0.1", port=0, **options)
    try:
        yield server.start()
    finally:
        server.stop()


def market(trades_per_s: float = 400.0) -> SyntheticMarket:
    return SyntheticMarket(
        ["BTCUSDT", "ETHUSDT"],
        seed=5,
        start_us=time.time_ns() // 1_000_000_000 * 1_000_000,
        trades_per_s=trades_per_s,
        history_us=5 * MINUTE,
    )


@contextmanager
def connected(port: int, path: str) -> Iterator[websocket.WebSocket]:
    client = websocket.create_connection(
        f"ws://127.0.0.1:{port}{path}", timeout=20, http_no_proxy=["127.0.0.1"]
    )
    try:
        yield client
    finally:
        client.shutdown()


def get(port: int, path: str) -> Any:  # noqa: ANN401 - JSON
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(url) as response:
        return json.loads(response.read())


def read_until(client: websocket.WebSocket, done: Callable[[list[Any]], bool]) -> list[Any]:
    """Read JSON messages until `done`; the socket's timeout is the deadline of each."""
    found: list[Any] = []
    while not done(found):
        found.append(json.loads(client.recv()))
    return found


def ledger_hash(rows: list[dict[str, Any]]) -> str:
    lines = (
        f"{row['a']},{row['p']},{row['q']},{row['T']},{'true' if row['m'] else 'false'}\n"
        for row in rows
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_stream_and_rest_agree_with_the_ledger() -> None:
    with serving(market(), admin=True) as port:
        with connected(port, "/stream?streams=btcusdt@aggTrade") as client:
            sent = read_until(client, lambda found: len(found) >= 300)
        ledger = get(port, "/admin/ledger")["BTCUSDT"]
        live = [one["data"] for one in sent]
        before = f"fromId={ledger['first_id']}&limit={live[0]['a'] - ledger['first_id']}"
        rows = get(port, f"/api/v3/aggTrades?symbol=BTCUSDT&{before}") + live
        after = f"fromId={rows[-1]['a'] + 1}"
        rows += get(port, f"/api/v3/aggTrades?symbol=BTCUSDT&{after}")
        rows = [row for row in rows if row["a"] <= ledger["last_id"]]

    assert {one["stream"] for one in sent} == {"btcusdt@aggTrade"}
    assert [row["a"] for row in rows] == list(range(ledger["first_id"], ledger["last_id"] + 1))
    assert all(row["f"] == last["l"] + 1 for last, row in itertools.pairwise(rows))
    assert ledger_hash(rows) == ledger["sha256"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_exchange_that_fails_leaves_no_one_waiting_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ExchangeServer(market(), host="127.0.0.1", port=0)
    port = server.start()
    server.check()
    with connected(port, "/stream?streams=btcusdt@aggTrade") as client:

        def broken(until_us: int) -> Any:  # noqa: ANN401 - never returns
            raise ReplayError(f"broken at {until_us}")

        monkeypatch.setattr(server._exchange, "advance", broken)
        opcode = None
        while opcode != websocket.ABNF.OPCODE_CLOSE:
            opcode, payload = client.recv_data(control_frame=True)
    assert int.from_bytes(payload[:2]) == 1001
    assert server._running is not None
    server._running.join(10)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
    with pytest.raises(ExchangeEnded, match=r"ended by itself"):
        server.check()
    server.stop()


def test_history_is_there_before_the_first_live_trade() -> None:
    source = market()
    opened_ms = source.start_us // 1000
    with serving(source) as port:
        bars = get(port, f"/api/v3/klines?symbol=ETHUSDT&interval=1m&endTime={opened_ms}")
        now_us = get(port, "/api/v3/time")["serverTime"] * 1000

    # Five minutes reach into six.
    assert len(bars) == 6
    assert all(float(bar[5]) > 0 for bar in bars[:5])
    assert source.start_us <= now_us < source.start_us + MINUTE


def test_klines_equal_bars_recomputed_from_the_trades() -> None:
    with serving(market(100.0)) as port:
        rows = get(port, "/api/v3/aggTrades?symbol=BTCUSDT&limit=1000")
        minute = (rows[-1]["T"] // 1000 - 1) * 1000
        seconds = get(port, f"/api/v3/klines?symbol=BTCUSDT&interval=1s&endTime={minute}&limit=5")

    for bar in seconds:
        prices = [float(row["p"]) for row in rows if bar[0] <= row["T"] <= bar[6]]
        volume = sum(float(row["q"]) for row in rows if bar[0] <= row["T"] <= bar[6])
        assert float(bar[5]) == pytest.approx(volume)
        if prices:
            assert [float(text) for text in bar[1:5]] == [
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
            ]


def test_raw_connection_takes_control_messages() -> None:
    def ask(client: websocket.WebSocket, **request: Any) -> Any:  # noqa: ANN401 - JSON
        client.send(json.dumps(request))
        return read_until(client, lambda found: bool(found) and "id" in found[-1])[-1]

    with serving(market()) as port, connected(port, "/ws/0") as client:
        listed = ask(client, method="LIST_SUBSCRIPTIONS", id=1)
        added = ask(client, method="SUBSCRIBE", params=["ethusdt@trade"], id=2)
        raw = json.loads(client.recv())
        ask(client, method="SET_PROPERTY", params=["combined", True], id=3)
        wrapped = read_until(client, lambda found: bool(found) and "stream" in found[-1])[-1]
        removed = ask(client, method="UNSUBSCRIBE", params=["ethusdt@trade"], id=4)
        refused = ask(client, method="BUY", id=5)

    assert listed == {"result": ["0"], "id": 1}
    assert added == {"result": None, "id": 2}
    assert raw["e"] == "trade"
    assert wrapped["stream"] == "ethusdt@trade"
    assert removed == {"result": None, "id": 4}
    assert refused["error"]["code"] == 2


def test_one_raw_connection_carries_every_kind_of_stream() -> None:
    kinds = ["aggTrade", "trade", "bookTicker", "kline_1s", "ticker", "miniTicker"]
    path = "/ws/" + "/".join(f"btcusdt@{kind}" for kind in kinds)

    def kinds_of(found: list[Any]) -> set[str]:
        return {one.get("e", "bookTicker") for one in found}

    with serving(market()) as port, connected(port, path) as client:
        found = read_until(client, lambda found: len(kinds_of(found)) == len(kinds))

    assert kinds_of(found) == {
        "aggTrade",
        "trade",
        "bookTicker",
        "kline",
        "24hrTicker",
        "24hrMiniTicker",
    }


def test_time_unit_is_honoured_on_both_protocols() -> None:
    with serving(market()) as port:
        with connected(port, "/ws/btcusdt@aggTrade?timeUnit=MICROSECOND") as client:
            sent = json.loads(client.recv())
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v3/time", headers={"X-MBX-TIME-UNIT": "MICROSECOND"}
        )
        with urllib.request.urlopen(asked) as response:  # noqa: S310 - loopback
            served = json.loads(response.read())["serverTime"]
        with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
            websocket.create_connection(f"ws://127.0.0.1:{port}/ws?timeUnit=HOUR")

    assert sent["T"] > 10**15
    assert served > 10**15


def test_pings_carry_a_payload_and_their_pong_keeps_the_connection() -> None:
    limits = Limits(messages_per_s=50, ping_every_us=SECOND // 20, pong_timeout_us=SECOND // 3)
    with serving(market(), limits=limits) as port, connected(port, "/ws/0") as client:
        payloads = []
        # Ten pings last longer than the timeout: without the pongs this connection would be gone.
        while len(payloads) < 10:
            opcode, payload = client.recv_data(control_frame=True)
            assert opcode == PING
            payloads.append(payload)

    assert len(set(payloads)) == 10
    assert all(payload.isdigit() for payload in payloads)


def test_client_that_does_not_answer_pings_is_told_1008() -> None:
    limits = Limits(ping_every_us=SECOND // 20, pong_timeout_us=SECOND // 5)
    with serving(market(), limits=limits) as port, connected(port, "/ws/0") as client:
        client.pong = lambda *_: None  # type: ignore[method-assign] - the client goes deaf
        opcode, payload = 0, b""
        while opcode != CLOSE:
            opcode, payload = client.recv_data(control_frame=True)

    assert payload == b"\x03\xf0Pong timeout"


def test_client_ping_is_answered_with_its_payload() -> None:
    with serving(market()) as port, connected(port, "/ws/0") as client:
        client.ping("hello")
        assert client.recv_data(control_frame=True) == (0xA, b"hello")


def test_client_that_does_not_read_is_told_1008(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("actors.exchange.connection.BACKLOG_LIMIT", 100_000)
    with serving(market(30_000.0)) as port:
        client = websocket.create_connection(
            f"ws://127.0.0.1:{port}/ws/btcusdt@trade",
            timeout=20,
            sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)],
        )
        deadline = time.monotonic() + 30
        while "dropped a reader" not in caplog.text and time.monotonic() < deadline:
            # The exchange serves others meanwhile.
            assert get(port, "/api/v3/ping") == {}
        opcode, payload = 0, b""
        while opcode != CLOSE:
            opcode, payload = client.recv_data(control_frame=True)
        client.shutdown()

    assert payload == b"\x03\xf0Client does not read"


def test_client_that_never_reads_keeps_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.exchange.connection.BACKLOG_LIMIT", 100_000)
    server = ExchangeServer(market(30_000.0), host="127.0.0.1", port=0)
    port = server.start()
    client = websocket.create_connection(
        f"ws://127.0.0.1:{port}/ws/btcusdt@trade",
        sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)],
    )
    wait_until(lambda: server._sockets.connections, "the exchange's side of the connection")
    (connection,) = server._sockets.connections
    deadline = time.monotonic() + 30
    while connection in server._sockets.connections and time.monotonic() < deadline:
        assert get(port, "/api/v3/ping") == {}
    left = connection._transport.get_write_buffer_size()
    client.shutdown()
    server.stop()

    assert connection not in server._sockets.connections
    assert left == 0


def test_stop_tells_clients_1001_and_is_idempotent() -> None:
    server = ExchangeServer(market(), host="127.0.0.1", port=0)
    port = server.start()
    with connected(port, "/ws/0") as client:
        server.stop()
        assert client.recv_data(control_frame=True) == (CLOSE, b"\x03\xe9Server shutdown")
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_port_in_use_is_one_clear_line() -> None:
    with serving(market()) as port:
        second = ExchangeServer(market(), host="127.0.0.1", port=port)
        expected = f"^exchange: cannot listen on 127.0.0.1:{port}: Address already in use$"
        with pytest.raises(AddressError, match=expected):
            second.start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104 - refused
def test_admin_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=f"admin: expected a loopback host, found {host}"):
        ExchangeServer(market(), host=host, port=0, admin=True)


def test_ledger_is_not_served_without_admin() -> None:
    with (
        serving(market()) as port,
        pytest.raises(urllib.error.HTTPError, match="404") as caught,
    ):
        get(port, "/admin/ledger")
    caught.value.close()


def test_rest_counts_weight_and_refuses_over_the_limit() -> None:
    def spend(port: int) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status, dict(response.headers)

    with serving(market()) as port:
        # 24 of them spend the 6000 of a minute; a minute may end on the way.
        answers = [spend(port) for _ in range(50)]

    status, headers = next(answer for answer in answers if answer[0] != 200)
    assert answers[0][1]["X-MBX-USED-WEIGHT-1M"] == "250"
    assert status == 429
    assert headers["X-MBX-USED-WEIGHT-1M"] == "6250"
    assert 1 <= int(headers["Retry-After"]) <= 60


def test_replay_waits_for_its_first_reader_and_for_slow_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.exchange.connection.BACKLOG_LIMIT", 2_000_000)
    source = SyntheticMarket(
        ["BTCUSDT"], seed=5, start_us=T0_US, trades_per_s=200.0, history_us=4 * MINUTE
    )
    tape = source.advance(T0_US)["BTCUSDT"]
    with serving(Replay({"BTCUSDT": tape}), speed=1e6) as port:
        with connected(port, "/ws/0/nopeusdt@trade"):
            opened_ms = get(port, "/api/v3/time")["serverTime"]
        client = websocket.create_connection(
            f"ws://127.0.0.1:{port}/ws/btcusdt@aggTrade",
            timeout=20,
            sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)],
            skip_utf8_validation=True,
        )
        # Time enough to lose the client, if its backlog grew.
        for _ in range(300):
            assert get(port, "/api/v3/ping") == {}
        found = [json.loads(client.recv())["a"] for _ in range(len(tape))]
        client.shutdown()

    assert opened_ms == tape.time_us[0] // 1000
    assert len(found) > 40_000
    assert found == list(range(1, len(tape) + 1))


@needs_recordings
def test_replay_at_high_speed_delivers_every_trade_as_recorded() -> None:
    raw = [row["info"] for row in json.loads(gzip.decompress(RECORDED.read_bytes()))]
    with serving(open_replay([RECORDED]), speed=1e6, admin=True) as port:
        assert get(port, "/api/v3/time")["serverTime"] == raw[0]["T"]
        assert get(port, "/api/v3/aggTrades?symbol=XRPETH") == []
        with connected(port, "/stream?streams=xrpeth@aggTrade") as client:
            sent = read_until(client, lambda found: len(found) == len(raw))
        ledger = get(port, "/admin/ledger")["XRPETH"]
        tail = get(port, "/api/v3/aggTrades?symbol=XRPETH&limit=1000")

    received = [one["data"] for one in sent]
    assert [{name: one[name] for name in raw[0]} for one in received] == raw
    assert ledger == {"first_id": 13519807, "last_id": 13532283, "sha256": ledger_hash(raw)}
    assert tail == raw[-1000:]


def test_replay_clock_goes_on_after_the_last_trade(tmp_path: Path) -> None:
    tape = tmp_path / "ABCUSDT-aggTrades-2023-11-14.csv"
    tape.write_text("1,2.5,4.0,1,1,1700000040000,True,True\n")
    path = "/stream?streams=abcusdt@kline_1m/abcusdt@aggTrade"
    with serving(open_replay([tape]), speed=600.0) as port, connected(port, path) as client:
        found = read_until(client, lambda found: sum(closed(one) for one in found) == 3)
        assert client.connected

    bars = [one["data"]["k"] for one in found if closed(one)]
    assert [bar["t"] for bar in bars] == [1_700_000_040_000, 1_700_000_100_000, 1_700_000_160_000]
    assert [bar["n"] for bar in bars] == [1, 0, 0]


def closed(message: dict[str, Any]) -> bool:
    return bool(message["data"].get("k", {}).get("x"))
