from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from actors.rest import RestClient
from actors.snapshots import Snapshots
from pipeline.errors import VenueDisconnected, VenueRefused
from pipeline.orderbook import Snapshot
from pipeline.venues.binance import Binance
from pipeline.venues.protocol import Request
from tests.waiting import DEADLINE_S, wait_until

VENUE = Binance("exchange", "ws://unused", "http://venue", book_levels=10)


class Books:
    """Answers one at a time as the test lets it; the last update is a running count."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: list[Exception] = []
        self.let_go = threading.Semaphore(0)

    def get(self, request: Request) -> bytes:
        self.asked.append(request.url.partition("symbol=")[2].partition("&")[0])
        assert self.let_go.acquire(timeout=DEADLINE_S)
        if self.failures:
            raise self.failures.pop(0)
        return b'{"lastUpdateId":%d,"bids":[],"asks":[]}' % len(self.asked)


@pytest.fixture
def venue() -> Books:
    return Books()


@pytest.fixture
def snapshots(venue: Books, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snapshots]:
    monkeypatch.setattr("actors.snapshots.RETRY_S", 0.0)
    snapshots = Snapshots(VENUE, cast("RestClient", venue))
    snapshots.start()
    yield snapshots
    snapshots.stop()
    venue.let_go.release(9)
    wait_until(lambda: not snapshots.alive, "its end")


def found(snapshots: Snapshots, count: int) -> list[Snapshot]:
    seen: list[Snapshot] = []
    wait_until(lambda: seen.extend(snapshots.found()) or len(seen) >= count, "answers")  # type: ignore[func-returns-value]
    return seen


def test_snapshots_are_found_in_the_order_in_which_they_were_asked_for(
    venue: Books, snapshots: Snapshots
) -> None:
    snapshots.ask(["B", "A"])
    venue.let_go.release(2)
    assert [(one.symbol, one.last_id) for one in found(snapshots, 2)] == [("B", 1), ("A", 2)]
    assert snapshots.found() == []


def test_snapshot_that_waits_or_is_under_way_is_not_asked_for_twice(
    venue: Books, snapshots: Snapshots
) -> None:
    snapshots.ask(["A", "B"])
    wait_until(lambda: venue.asked, "the first request")
    snapshots.ask(["B", "A"])
    venue.let_go.release(2)
    found(snapshots, 2)
    snapshots.ask(["A"])
    venue.let_go.release(1)
    found(snapshots, 1)
    assert venue.asked == ["A", "B", "A"]


@pytest.mark.parametrize("failure", [VenueDisconnected("busy"), VenueRefused("no such market")])
def test_snapshot_that_cannot_be_had_is_forgotten_and_can_be_asked_for_again(
    venue: Books, snapshots: Snapshots, failure: Exception
) -> None:
    venue.failures = [failure]
    snapshots.ask(["A", "B"])
    venue.let_go.release(2)
    assert [one.symbol for one in found(snapshots, 1)] == ["B"]
    snapshots.ask(["A"])
    venue.let_go.release(1)
    assert [one.symbol for one in found(snapshots, 1)] == ["A"]


def test_snapshots_after_failures_wait_longer_up_to_fifteen_seconds_and_start_over() -> None:
    venue = Books()
    snapshots = Snapshots(VENUE, cast("RestClient", venue))
    waits: list[float] = []
    snapshots._stopping.wait = lambda timeout=None: bool(waits.append(timeout or 0))  # type: ignore[method-assign]
    venue.failures = [VenueDisconnected("busy")] * 6
    venue.let_go.release(9)
    for _ in range(7):
        snapshots._fetch("A", 0)
    venue.failures = [VenueDisconnected("busy")]
    snapshots._fetch("A", 0)
    assert waits == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 1.0]


def test_answers_to_what_was_forgotten_are_not_told(venue: Books, snapshots: Snapshots) -> None:
    snapshots.ask(["A", "B"])
    wait_until(lambda: venue.asked == ["A"], "the first request")
    snapshots.forget()
    snapshots.ask(["C"])
    venue.let_go.release(2)
    assert [one.symbol for one in found(snapshots, 1)] == ["C"]
    assert venue.asked == ["A", "C"]
