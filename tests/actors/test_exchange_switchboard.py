"""Faults as a client meets them: over a real socket."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
import websocket

from tests.actors.test_exchange_server import connected, get, market, read_until, serving

STREAM = "/stream?streams=btcusdt@aggTrade"


def switch(port: int, **body: object) -> Any:  # noqa: ANN401 - JSON
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/admin/faults", data=json.dumps(body).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())


def clear(port: int) -> None:
    url = f"http://127.0.0.1:{port}/admin/faults"
    request = urllib.request.Request(url, method="DELETE")
    urllib.request.urlopen(request).close()  # noqa: S310 - loopback


def ids(client: websocket.WebSocket, count: int) -> list[int]:
    return [one["data"]["a"] for one in read_until(client, lambda found: len(found) >= count)]


def missing_of(found: list[Any]) -> list[int]:
    seen = [one["data"]["a"] for one in found]
    return [] if not seen else sorted(set(range(seen[0], seen[-1])) - set(seen))


def test_abort_resets_the_connection_and_a_new_one_works() -> None:
    with serving(market(), admin=True) as port:
        with connected(port, STREAM) as client:
            ids(client, 1)
            switch(port, fault="abort")
            with pytest.raises(ConnectionResetError):
                read_until(client, lambda _: False)
        with connected(port, STREAM) as client:
            assert len(ids(client, 3)) == 3


def test_close_tells_its_code() -> None:
    with serving(market(), admin=True) as port, connected(port, STREAM) as client:
        switch(port, fault="close", code=1008)
        opcode = None
        while opcode != websocket.ABNF.OPCODE_CLOSE:
            opcode, payload = client.recv_data(control_frame=True)
        assert int.from_bytes(payload[:2]) == 1008


def test_half_open_connection_says_nothing_and_another_one_speaks() -> None:
    with serving(market(), admin=True) as port, connected(port, STREAM) as client:
        ids(client, 1)
        switch(port, fault="half_open", seconds=30)
        with connected(port, STREAM) as other:
            ids(other, 5)
            client.settimeout(0.5)
            with pytest.raises(websocket.WebSocketTimeoutException):
                read_until(client, lambda _: False)


def test_server_shutdown_is_announced_and_then_closed() -> None:
    with serving(market(), admin=True) as port, connected(port, STREAM) as client:
        switch(port, fault="server_shutdown", close_after_s=1)
        began_s = time.monotonic()
        told, opcode = [], None
        while opcode != websocket.ABNF.OPCODE_CLOSE:
            opcode, payload = client.recv_data(control_frame=True)
            if b"serverShutdown" in payload:
                told.append(json.loads(payload))
        assert [one["stream"] for one in told] == ["!serverShutdown"]
        assert told[0]["data"]["e"] == "serverShutdown"
        assert time.monotonic() - began_s >= 0.9
        assert int.from_bytes(payload[:2]) == 1001


def test_skipped_ids_are_missing_on_the_stream_and_served_over_rest() -> None:
    with serving(market(), admin=True) as port, connected(port, STREAM) as client:
        ids(client, 1)
        switch(port, fault="skip", symbol="BTCUSDT", count=5)
        heard = read_until(client, lambda found: len(missing_of(found)) > 0)
        missing = missing_of(heard)
        told = get(port, "/admin/faults")["skipped"]["BTCUSDT"]
        rows = get(port, f"/api/v3/aggTrades?symbol=BTCUSDT&fromId={missing[0]}&limit=5")
    assert told == [[missing[0], missing[-1]]]
    assert [row["a"] for row in rows] == missing
    assert len(missing) == 5


def test_silent_stream_speaks_again_once_it_is_left_and_subscribed_to_anew() -> None:
    with serving(market(), admin=True) as port, connected(port, "/stream") as client:
        streams = ["btcusdt@aggTrade", "ethusdt@aggTrade"]
        client.send(json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1}))
        read_until(client, lambda found: any("data" in one for one in found))
        switch(port, fault="silent", symbol="BTCUSDT")
        newest = get(port, "/api/v3/aggTrades?symbol=BTCUSDT&limit=1")[0]["a"]
        client.send(json.dumps({"method": "SUBSCRIBE", "params": streams[:1], "id": 2}))
        heard = read_until(client, lambda found: len(found) >= 200)
        assert {"result": None, "id": 2} in heard
        late = [
            one for one in heard if one.get("stream") == streams[0] and one["data"]["a"] > newest
        ]
        assert late == []
        for number, method in enumerate(("UNSUBSCRIBE", "SUBSCRIBE"), 3):
            client.send(json.dumps({"method": method, "params": streams[:1], "id": number}))
        read_until(client, lambda found: bool(found) and found[-1].get("stream") == streams[0])


def test_slow_line_delivers_no_faster_than_said() -> None:
    with serving(market(2000.0), admin=True) as port, connected(port, STREAM) as client:
        ids(client, 1)
        switch(port, fault="slow", bytes_per_s=20_000)
        ids(client, 300)  # what was under way
        began_s, size = time.monotonic(), 0
        while time.monotonic() - began_s < 2.0:
            size += len(client.recv())
        assert 10_000 < size < 60_000
        clear(port)
        assert get(port, "/admin/faults")["active"] == []


def test_bad_fault_is_refused_and_changes_nothing() -> None:
    with serving(market(), admin=True) as port:
        with pytest.raises(urllib.error.HTTPError) as refused:
            switch(port, fault="skip")
        with refused.value as answer:
            assert answer.code == 400
            assert "count: expected 1 to 1000000, found None" in answer.read().decode()
        assert get(port, "/admin/faults")["active"] == []


def test_switchboard_is_not_served_without_admin() -> None:
    with serving(market()) as port, pytest.raises(urllib.error.HTTPError) as refused:
        switch(port, fault="abort")
    refused.value.close()
    assert refused.value.code == 404
