"""What a client meets that asks for too much."""

from __future__ import annotations

import http.client
import json
import time

import pytest
import websocket

from pipeline.durations import SECOND
from pipeline.exchange.limits import Limits
from tests.actors.test_exchange_server import CLOSE, connected, market, serving


def end(client: websocket.WebSocket) -> tuple[int, str]:
    """Read up to the close frame; return its code and reason."""
    opcode, payload = 0, b""
    while opcode != CLOSE:
        opcode, payload = client.recv_data(control_frame=True)
    return int.from_bytes(payload[:2]), payload[2:].decode()


def status(port: int, path: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, dict(response.headers)


def test_more_than_five_messages_in_a_second_of_any_kind_end_the_connection() -> None:
    with serving(market()) as port, connected(port, "/ws/0") as client:
        for _ in range(4):
            client.ping("here")
            client.pong("unasked")
            client.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert end(client) == (1008, "Too many requests")


def test_five_messages_in_a_second_are_answered() -> None:
    with serving(market()) as port, connected(port, "/ws/0") as client:
        for number in range(5):
            client.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        assert [json.loads(client.recv())["id"] for _ in range(5)] == [0, 1, 2, 3, 4]
        assert client.connected


@pytest.mark.parametrize("count", [1024, 1025])
def test_connection_carries_1024_streams_and_no_more(count: int) -> None:
    names = [f"s{number}@trade" for number in range(count - 1)]
    path = "/stream?streams=" + "/".join([*names, "btcusdt@trade"])
    with serving(market()) as port, connected(port, path) as client:
        if count == 1024:
            assert json.loads(client.recv())["stream"] == "btcusdt@trade"
        else:
            assert end(client) == (1008, "Too many streams")


def test_attempt_to_connect_beyond_the_limit_gets_429_and_rest_is_served() -> None:
    with serving(market(), limits=Limits(attempts=3)) as port:
        refusals = []
        for _ in range(8):  # five minutes may end on the way
            try:
                websocket.create_connection(f"ws://127.0.0.1:{port}/ws", timeout=20).shutdown()
            except websocket.WebSocketBadStatusException as refusal:
                refusals.append(refusal)
        assert len(refusals) >= 2
        assert {refusal.status_code for refusal in refusals} == {429}
        headers = refusals[0].resp_headers
        assert headers is not None
        assert 1 <= int(headers["retry-after"]) <= 300
        assert status(port, "/api/v3/ping")[0] == 200


def test_connection_ends_at_the_end_of_its_life_and_a_new_one_begins_its_own() -> None:
    limits = Limits(connection_life_us=SECOND // 2)
    with serving(market(), limits=limits) as port:
        for _ in range(2):
            began_s = time.monotonic()
            with connected(port, "/ws/btcusdt@trade") as client:
                assert end(client) == (1001, "Connection lifetime")
            assert time.monotonic() - began_s >= 0.5


def test_address_that_goes_on_after_429_is_banned_with_418() -> None:
    with serving(market()) as port:
        # 24 spend the weight of a minute, ten more are refused; a minute may end on the way.
        answers = [status(port, "/api/v3/depth?symbol=BTCUSDT&limit=5000") for _ in range(80)]
        codes = [code for code, _ in answers]
        assert [code for at, code in enumerate(codes) if at == 0 or code != codes[at - 1]][-2:] == [
            429,
            418,
        ]
        headers = answers[-1][1]
        assert 100 <= int(headers["Retry-After"]) <= 120
        assert int(headers["X-MBX-USED-WEIGHT-1M"]) > 0
        assert status(port, "/api/v3/ping")[0] == 418
