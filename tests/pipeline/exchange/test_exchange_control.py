from __future__ import annotations

import json

import pytest

from pipeline.exchange.control import STREAMS_LIMIT, Session
from pipeline.exchange.heartbeat import Heartbeat


def test_session_acknowledges_and_lists_in_order() -> None:
    session = Session(["a@trade"], combined=True)

    asked = '{"method":"SUBSCRIBE","params":["b@trade","a@trade"],"id":"5f0c-uuid"}'
    assert session.reply(asked) == '{"result":null,"id":"5f0c-uuid"}'
    assert session.reply('{"method":"LIST_SUBSCRIPTIONS","id":3}') == (
        '{"result":["a@trade","b@trade"],"id":3}'
    )
    session.reply('{"method":"UNSUBSCRIBE","params":["a@trade","nothing"],"id":4}')
    assert list(session.streams) == ["b@trade"]


def test_session_properties_are_read_and_set() -> None:
    session = Session([], combined=False)

    assert session.reply('{"method":"GET_PROPERTY","params":["combined"],"id":2}') == (
        '{"result":false,"id":2}'
    )
    assert session.reply('{"method":"SET_PROPERTY","params":["combined",true],"id":5}') == (
        '{"result":null,"id":5}'
    )
    assert session.combined


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("nonsense", 3, "Invalid JSON: expected value at line 1 column 1"),
        ("[" * 100_000, 3, "Invalid JSON: limit exceeded"),
        ("[]", 2, "Invalid request: expected an object"),
        ('{"id":1}', 2, "missing field `method`"),
        ('{"method":"BUY","id":1}', 2, "unknown variant `BUY`, expected one of `SUBSCRIBE`"),
        ('{"method":"SUBSCRIBE","params":"x","id":1}', 2, "params must be an array"),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2, "stream name must be a string"),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2, "too many parameters"),
        ('{"method":"GET_PROPERTY","params":[],"id":1}', 2, "property name must be a string"),
        ('{"method":"GET_PROPERTY","params":["x"],"id":1}', 0, "Unknown property"),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, "expected Boolean"),
        ('{"method":"LIST_SUBSCRIPTIONS","id":true}', 2, "request ID must be"),
        ('{"method":"LIST_SUBSCRIPTIONS","id":9223372036854775808}', 2, "request ID must be"),
    ],
)
def test_session_refuses_with_the_code_of_the_venue(text: str, code: int, said: str) -> None:
    reply = json.loads(Session([], combined=True).reply(text))

    assert set(reply) == {"error", "id"}
    assert reply["error"]["code"] == code
    assert said in reply["error"]["msg"]


def test_session_with_too_many_streams_keeps_what_it_had() -> None:
    session = Session(["a@trade"], combined=True)
    names = [f"s{number}@trade" for number in range(STREAMS_LIMIT)]

    reply = session.reply(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 19}))

    assert reply == '{"error":{"code":4,"msg":"Too many subscriptions"},"id":19}'
    assert list(session.streams) == ["a@trade"]


def test_heartbeat_pings_on_time_and_expires_without_an_answer() -> None:
    heartbeat = Heartbeat(0, every_us=20, timeout_us=60)

    assert heartbeat.ping(19) is None
    assert heartbeat.ping(20) == b"20"
    assert heartbeat.ping(21) is None
    assert heartbeat.ping(40) == b"40"
    assert not heartbeat.expired(79)
    assert heartbeat.expired(80)


def test_heartbeat_counts_only_the_payload_of_a_ping() -> None:
    heartbeat = Heartbeat(0, every_us=20, timeout_us=60)
    heartbeat.ping(20)
    heartbeat.ping(40)

    heartbeat.pong(b"")
    assert heartbeat.expired(80)
    heartbeat.pong(b"20")
    assert not heartbeat.expired(99)
    assert heartbeat.expired(100)
    heartbeat.pong(b"40")
    assert not heartbeat.expired(1000)
