"""The pushing thread, with the coordinator's inbox in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from actors.delivery import Delivery
from pipeline.delivery import Envelope, Inbox, Outbox, Payload
from tests.waiting import DEADLINE_S, wait_until


def payload(number: int) -> Payload:
    return Payload(
        b"", b"", b"", b"", venue_us=number, connected=True, reconnects=0, rejected_unnamed=0
    )


class Coordination:
    """Applies what is pushed; may be away, lose its answers, or take its time."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.applied: list[int | None] = []
        self.reachable = True
        self.answers_lost = 0
        self.refused = 0
        self.open = threading.Event()
        self.open.set()

    def push(self, envelope: Envelope) -> int:
        assert self.open.wait(DEADLINE_S)
        if not self.reachable:
            self.refused += 1
            raise ConnectionError("the coordinator is away")
        if self.inbox.accepts(envelope):
            self.applied.append(envelope.payload.venue_us)
            self.inbox.count(envelope)
        if self.answers_lost:
            self.answers_lost -= 1
            raise ConnectionError("the answer was lost")
        return self.inbox.watermark(envelope.shard)


@pytest.fixture
def coordination() -> Coordination:
    return Coordination()


@pytest.fixture
def delivery(coordination: Coordination) -> Iterator[Delivery]:
    made = Delivery(Outbox("shard", 1, capacity=100), coordination.push)
    made.start()
    yield made
    coordination.open.set()
    made.stop()
    assert not made.alive


def test_delivery_pushes_everything_in_order(
    delivery: Delivery, coordination: Coordination
) -> None:
    for number in range(1, 51):
        delivery.put(payload(number))
    assert delivery.drain(DEADLINE_S)
    assert coordination.applied == list(range(1, 51))


def test_delivery_of_what_is_put_later_wakes_up_for_it(
    delivery: Delivery, coordination: Coordination
) -> None:
    assert delivery.drain(DEADLINE_S)
    delivery.put(payload(1))
    assert delivery.drain(DEADLINE_S)
    delivery.put(payload(2))
    assert delivery.drain(DEADLINE_S)
    assert coordination.applied == [1, 2]


def test_delivery_to_a_coordinator_that_was_away_loses_nothing(
    delivery: Delivery, coordination: Coordination
) -> None:
    coordination.reachable = False
    for number in (1, 2, 3):
        delivery.put(payload(number))
    wait_until(lambda: coordination.refused >= 2, "a repeated push")
    assert coordination.applied == []
    coordination.reachable = True
    assert delivery.drain(DEADLINE_S)
    assert coordination.applied == [1, 2, 3]


def test_delivery_whose_answer_was_lost_is_applied_once(
    delivery: Delivery, coordination: Coordination
) -> None:
    coordination.answers_lost = 2
    for number in (1, 2, 3):
        delivery.put(payload(number))
    assert delivery.drain(DEADLINE_S)
    assert coordination.applied == [1, 2, 3]


def test_delivery_to_a_coordinator_that_started_anew_repeats_what_is_held(
    delivery: Delivery, coordination: Coordination
) -> None:
    delivery.put(payload(1))
    delivery.put(payload(2))
    assert delivery.drain(DEADLINE_S)
    coordination.inbox, coordination.applied = Inbox(), []
    delivery.put(payload(3))
    assert delivery.drain(DEADLINE_S)
    assert coordination.applied == [1, 2, 3]


def test_drain_while_the_coordinator_is_away_says_that_it_was_not_in_time(
    delivery: Delivery, coordination: Coordination
) -> None:
    coordination.reachable = False
    delivery.put(payload(1))
    assert not delivery.drain(0.05)


def test_full_until_the_coordinator_acknowledges(coordination: Coordination) -> None:
    coordination.open.clear()
    delivery = Delivery(Outbox("shard", 1, capacity=2), coordination.push)
    delivery.start()
    delivery.put(payload(1))
    assert not delivery.full
    delivery.put(payload(2))
    assert delivery.full
    coordination.open.set()
    assert delivery.drain(DEADLINE_S)
    assert not delivery.full
    delivery.stop()


def test_stop_while_the_coordinator_is_away_does_not_wait_for_the_next_attempt(
    delivery: Delivery, coordination: Coordination
) -> None:
    coordination.reachable = False
    delivery.put(payload(1))
    wait_until(lambda: coordination.refused == 5, "a fifth attempt")
    before_s = time.monotonic()
    delivery.stop()
    # The sixth attempt is due 1.6 s after the fifth.
    assert time.monotonic() - before_s < 1.0
    assert not delivery.alive
    assert coordination.refused == 5


def test_stop_of_an_idle_delivery_ends_its_thread(delivery: Delivery) -> None:
    assert delivery.alive
    delivery.stop()
    assert not delivery.alive
