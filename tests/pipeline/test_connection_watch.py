"""A connection watched turn by turn, with a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.connection_watch import ConnectionWatch, Orders
from pipeline.durations import MINUTE, SECOND
from pipeline.staleness import Gaps
from pipeline.venues.binance import Binance
from pipeline.venues.protocol import Audit

SYMBOLS = ("A", "B", "C")
START_US = 1_700_000_000 * SECOND


class WithoutAudit(Binance):
    """A venue that cannot be asked."""

    def audit_message(self, request_id: int) -> None:  # type: ignore[override]  # noqa: ARG002 - the seam's
        return None


VENUE = Binance("binance", "ws://unused", "http://unused")
MUTE = WithoutAudit("mute", "ws://unused", "http://unused")


class Setup:
    """A watch, and what it ordered."""

    def __init__(self, venue: Binance = VENUE, gaps: Gaps | None = None) -> None:
        self.now_us = START_US
        self.gaps = Gaps(len(SYMBOLS) + 1) if gaps is None else gaps
        self.watch = ConnectionWatch(venue, SYMBOLS, self.gaps, self.now_us)
        self.asked: list[int] = []

    def wait(self, seconds: float) -> Orders:
        self.now_us += round(seconds * SECOND)
        orders = self.watch.step(self.now_us)
        for message in orders.messages:
            sent = json.loads(message)
            if sent["method"] == "LIST_SUBSCRIPTIONS":
                self.asked.append(sent["id"])
        return orders

    def answer(self, symbols: Sequence[str] = SYMBOLS) -> None:
        self.watch.audited(Audit(self.asked[-1], frozenset(symbols)), self.now_us)

    def trade(self, *places: int) -> None:
        streams = np.array(places)
        self.watch.hear(streams, np.full_like(streams, self.now_us), learn=True)

    def run(self, seconds: float, *places: int, every_s: float = 0.2) -> list[Orders]:
        """Let trades of some symbols arrive for a while; answer what is asked."""
        orders = []
        for _ in range(round(seconds / every_s)):
            asked = len(self.asked)
            orders.append(self.wait(every_s))
            if len(self.asked) > asked:
                self.answer()
            if places:
                self.trade(*places)
        return orders

    def until_dead(self, limit_s: float) -> float | None:
        """Wait in steps of a flush, unanswered, until it is found dead; return after how long."""
        start_us = self.now_us
        while self.now_us - start_us < limit_s * SECOND:
            if self.wait(0.25).dead is not None:
                return (self.now_us - start_us) / SECOND
        return None


def methods(orders: Orders) -> list[tuple[str, object]]:
    sent = [json.loads(message) for message in orders.messages]
    return [(one["method"], one.get("params")) for one in sent]


def test_watch_of_a_new_connection_audits_it_at_once_and_every_few_minutes() -> None:
    at = Setup()
    assert methods(at.wait(0.0)) == [("LIST_SUBSCRIPTIONS", None)]
    assert not at.watch.subscribed
    at.answer()
    assert at.watch.subscribed
    orders = at.run(600.0, 0, 1, 2)
    assert [one for one in orders if one != Orders()] == [
        Orders(messages=(VENUE.audit_message(number),)) for number in at.asked[1:]
    ]
    assert len(at.asked) == 3


def test_watch_subscribes_again_to_what_an_audit_does_not_find() -> None:
    at = Setup()
    at.wait(0.0)
    at.answer(["B", "X"])
    assert not at.watch.subscribed
    assert methods(at.wait(2.0)) == [
        ("SUBSCRIBE", ["a@aggTrade", "c@aggTrade"]),
        ("LIST_SUBSCRIPTIONS", None),
    ]
    at.answer()
    assert at.watch.subscribed


def test_watch_of_a_connection_that_never_carries_a_stream_finds_it_unfit() -> None:
    at = Setup()
    for _ in range(3):
        assert at.wait(2.0).unfit is None
        at.answer(["B", "C"])
    assert at.wait(2.0).unfit == "not subscribed, though asked for: A"


def test_watch_takes_an_answer_to_its_own_newest_audit_only() -> None:
    at = Setup()
    at.wait(0.0)
    at.watch.audited(Audit(at.asked[0] - 1, frozenset(SYMBOLS)), at.now_us)
    assert not at.watch.subscribed


def test_connection_that_does_not_answer_its_first_audit_is_dead() -> None:
    assert Setup().until_dead(60.0) == pytest.approx(10.25, abs=0.25)


@pytest.mark.parametrize("venue", [VENUE, MUTE], ids=["audit", "no-audit"])
@pytest.mark.parametrize("rate", [5.0, 20.0, 100.0])
def test_busy_connection_that_falls_silent_is_dead_within_three_seconds(
    rate: float, venue: Binance
) -> None:
    random = np.random.default_rng(3)
    at = Setup(venue)
    for wait_s in random.exponential(1 / rate, 1500):
        if at.wait(wait_s).messages:
            at.answer()
        at.trade(int(random.integers(3)))
    found_s = at.until_dead(10.0)
    assert found_s is not None
    assert found_s <= 3.0


def test_busy_connection_that_falls_silent_and_answers_is_alive() -> None:
    at = Setup()
    at.run(60.0, 0, 1, 2)
    orders = at.run(600.0)
    assert [one.dead for one in orders if one.dead is not None] == []
    # Each question is asked after twice the silence.
    assert len(at.asked) < 20
    assert {symbol for one in orders for symbol in one.checks} == set(SYMBOLS)


def test_silence_that_is_not_usual_is_suspect_until_somebody_answers() -> None:
    at = Setup()
    at.run(60.0, 0, 1, 2)
    assert not at.watch.suspect(at.now_us + SECOND // 2)
    assert at.watch.suspect(at.now_us + 2 * SECOND)
    at.wait(2.0)
    at.answer()
    assert not at.watch.suspect(at.now_us + SECOND)
    assert at.watch.suspect(at.now_us + 3 * SECOND)


def test_quiet_connection_is_never_suspect_nor_dead() -> None:
    at = Setup()
    orders = at.run(6 * 3600.0, every_s=60.0)
    assert [one for one in orders if one.dead is not None or one.unfit is not None] == []
    assert not at.watch.suspect(at.now_us)


def test_stream_that_was_never_heard_is_checked_soon_and_ever_more_rarely() -> None:
    at = Setup()
    found = []
    for _ in range(4 * 3600):
        orders = at.run(0.25, 0, 1, every_s=0.25)
        for symbol in orders[0].checks:
            found.append(((at.now_us - START_US) / SECOND, symbol))
            at.watch.checked(symbol, at.now_us, behind=False)
    assert {symbol for _, symbol in found} == {"C"}
    assert [after for after, _ in found] == [15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0]


def test_stream_that_is_quiet_for_its_kind_is_checked_while_others_trade() -> None:
    at = Setup()
    for _ in range(300):
        at.run(1.0, 0, every_s=0.5)
        at.trade(1, 2)
    orders = at.run(60.0, 0)
    assert sum((one.checks for one in orders), ()) != ()
    assert {symbol for one in orders for symbol in one.checks} == {"B", "C"}


def silent_stream(at: Setup) -> list[Orders]:
    """Let C be subscribed and silent for two minutes, while REST shows trades of it."""
    orders = []
    for _ in range(480):
        (one,) = at.run(0.25, 0, 1, every_s=0.25)
        orders.append(one)
        for symbol in one.checks:
            at.watch.checked(symbol, at.now_us, behind=symbol == "C")
    return orders


def test_stream_that_stays_silent_is_subscribed_anew_and_then_needs_a_fresh_connection() -> None:
    orders = silent_stream(Setup())
    sent = [method for one in orders for method in methods(one)]
    cure = [("UNSUBSCRIBE", ["c@aggTrade"]), ("SUBSCRIBE", ["c@aggTrade"])]
    assert [one for one in sent if one[0] != "LIST_SUBSCRIPTIONS"] == cure
    unfit = [number for number, one in enumerate(orders) if one.unfit is not None]
    assert orders[unfit[0]].unfit == "silent streams, though subscribed: C"
    # Asked after 15 s, 2 s for the trade to come, 4 s for the cure, and 2 s again.
    assert 22.5 <= unfit[0] * 0.25 <= 25.0


def test_stream_whose_trade_was_on_its_way_is_not_silent() -> None:
    at = Setup()
    for _ in range(480):
        (one,) = at.run(0.25, 0, 1, every_s=0.25)
        if "C" in one.checks:
            at.now_us += SECOND // 10
            at.trade(2)
            at.watch.checked("C", at.now_us, behind=True)
        assert one.unfit is None
        assert "UNSUBSCRIBE" not in str(one.messages)


def test_stream_that_is_cured_is_as_good_as_new() -> None:
    at, cured = Setup(), 0
    for _ in range(3):
        # Once found, it trades again: the ladder begins anew each time.
        for _ in range(100):
            (one,) = at.run(0.25, 0, 1, every_s=0.25)
            for symbol in one.checks:
                at.watch.checked(symbol, at.now_us, behind=True)
            assert one.unfit is None
            if "UNSUBSCRIBE" in str(one.messages):
                at.trade(2)
                cured += 1
                break
    assert cured == 3


def test_audit_whose_answer_may_have_been_dropped_is_asked_again() -> None:
    at = Setup()
    at.wait(0.0)
    at.wait(9.0)
    at.watch.overheard()
    orders = at.wait(5.0)
    assert orders.dead is None
    assert methods(orders) == [("LIST_SUBSCRIPTIONS", None)]


def test_connection_that_delivers_and_does_not_answer_is_alive_and_judged_without_audits() -> None:
    at = Setup()
    for _ in range(1200):
        assert at.wait(0.25).dead is None
        at.trade(0, 1, 2)
    # At the start, and again after the usual time.
    assert len(at.asked) == 2
    assert at.watch.proven(at.now_us, Setup().watch)
    found_s = at.until_dead(10.0)
    assert found_s is not None
    assert found_s <= 3.0


def test_successor_is_proven_by_its_audit() -> None:
    old = Setup()
    new = Setup(gaps=old.gaps)
    new.wait(0.0)
    assert not new.watch.proven(new.now_us, old.watch)
    new.answer(["A", "B"])
    assert not new.watch.proven(new.now_us, old.watch)
    new.wait(2.0)
    new.answer()
    assert new.watch.proven(new.now_us, old.watch)


def test_successor_at_a_venue_that_cannot_be_asked_is_proven_by_what_it_delivers() -> None:
    old = Setup(MUTE)
    new = Setup(MUTE, gaps=old.gaps)
    old.run(10.0, 0, 1)
    new.run(4.0, 0)
    assert not new.watch.proven(new.now_us, old.watch)
    new.run(6.0, 0)
    assert not new.watch.proven(new.now_us, old.watch)
    new.trade(1)
    assert new.watch.proven(new.now_us, old.watch)


def test_successor_in_a_market_without_trades_is_proven_by_a_heartbeat() -> None:
    old = Setup(MUTE)
    new = Setup(MUTE, gaps=old.gaps)
    new.wait(6.0)
    assert not new.watch.proven(new.now_us, old.watch)
    new.watch.lives(new.now_us)
    assert new.watch.proven(new.now_us, old.watch)


def test_message_of_any_kind_shows_that_somebody_is_there() -> None:
    at = Setup(MUTE)
    at.run(60.0, 0, 1, 2)
    for _ in range(600):
        assert at.wait(1.0).dead is None
        at.watch.lives(at.now_us)
    assert at.now_us > START_US + 10 * MINUTE
