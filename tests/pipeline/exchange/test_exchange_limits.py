from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.durations import DAY, MINUTE, SECOND
from pipeline.exchange.limits import DOCUMENTED, Counts, MessageRate
from pipeline.exchange.rest import Request, respond
from pipeline.exchange.weights import RequestWeights, Spent

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.exchange.venue import Exchange

GREEDY = "192.0.2.1"


def test_documented_limits_are_those_of_the_venue() -> None:
    assert (DOCUMENTED.messages_per_s, DOCUMENTED.attempts) == (5, 300)
    assert (DOCUMENTED.ping_every_us, DOCUMENTED.pong_timeout_us) == (20_000_000, 60_000_000)
    assert DOCUMENTED.connection_life_us == 86_400_000_000


def test_message_rate_takes_five_in_any_second_and_no_sixth() -> None:
    rate = MessageRate(5)
    assert all(rate.take(now_us) for now_us in (0, 1, 2, 3, 900_000))
    assert rate.take(1_000_000)
    assert rate.take(1_000_001)
    assert rate.take(1_000_002)
    assert rate.take(1_000_003)
    assert not rate.take(1_899_999)


def test_counts_are_by_address_and_begin_anew_with_the_period() -> None:
    counts = Counts(5 * MINUTE)
    assert [counts.add("a", 2, now_us) for now_us in (0, 1, 5 * MINUTE - 1)] == [2, 4, 6]
    assert counts.add("b", 1, 5 * MINUTE - 1) == 1
    assert counts.add("a", 2, 5 * MINUTE) == 2
    assert counts.left_s(5 * MINUTE - 1) == 1
    assert counts.left_s(5 * MINUTE) == 300


def banned(weights: RequestWeights, now_us: int) -> Spent:
    """Ask on and on, until the address is banned."""
    weights.spend(GREEDY, 6001, now_us)
    for _ in range(9):
        assert not weights.spend(GREEDY, 1, now_us).banned
    return weights.spend(GREEDY, 1, now_us)


def test_address_that_goes_on_after_ten_refusals_is_banned_for_two_minutes() -> None:
    weights = RequestWeights()
    assert banned(weights, 0) == Spent(6011, 120, banned=True)
    assert weights.spend(GREEDY, 1, MINUTE) == Spent(1, 60, banned=True)
    assert weights.spend(GREEDY, 1, 2 * MINUTE - 1) == Spent(2, 1, banned=True)
    assert weights.spend("192.0.2.2", 1, MINUTE) == Spent(1)
    assert weights.spend(GREEDY, 1, 2 * MINUTE) == Spent(1)


def test_each_further_ban_is_twice_as_long_up_to_three_days() -> None:
    weights, now_us, lengths = RequestWeights(), 0, []
    for _ in range(14):
        spent = banned(weights, now_us)
        assert spent.retry_after_s is not None
        lengths.append(spent.retry_after_s)
        now_us += spent.retry_after_s * SECOND
    assert lengths[:4] == [120, 240, 480, 960]
    assert lengths[-2:] == [3 * DAY // SECOND] * 2


def test_address_that_waits_after_a_refusal_is_not_banned() -> None:
    weights = RequestWeights()
    for minute in range(30):
        assert weights.spend(GREEDY, 6001, minute * MINUTE) == Spent(6001, 60)


def test_ban_is_answered_with_418_until_when_and_the_weight(
    issue: Callable[[int], Exchange],
) -> None:
    exchange, weights, request = issue(3), RequestWeights(), Request("ping", [], 1000, GREEDY)
    weights.spend(GREEDY, 6000, 0)
    answers = [respond(exchange, weights, request, 0) for _ in range(11)]
    assert [answer.status for answer in answers] == [429] * 10 + [418]
    assert answers[-1].headers == {"X-MBX-USED-WEIGHT-1M": "6011", "Retry-After": "120"}
    assert json.loads(answers[-1].body) == {
        "code": -1003,
        "msg": "Way too much request weight used; IP banned until 1700000163000. "
        "Please use WebSocket Streams for live updates to avoid bans.",
    }
