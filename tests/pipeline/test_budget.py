from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.budget import LEASE_S, Ban, Budget, Lease, Spending
from pipeline.durations import MINUTE, SECOND
from pipeline.venues.protocol import Limits

LIMITS = Limits(weight=1000, connections=10, messages=5)  # of which 900 and 9 are used
START_US = 1_700_000_000 * SECOND


def test_lease_gives_what_is_asked_for_until_nine_tenths_are_leased() -> None:
    budget = Budget(LIMITS)
    assert budget.lease(800, 4, START_US) == Lease(800)
    assert budget.lease(800, 4, START_US) == Lease(100)
    refused = budget.lease(40, 4, START_US)
    assert (refused.weight, refused.wait_s, refused.ban) == (0, 62.0, None)
    assert refused.reason == "the budget of 900 a minute is spent for 62 s"
    assert budget.lease(40, 4, START_US + 62 * SECOND - 1).weight == 0
    assert budget.lease(40, 4, START_US + 62 * SECOND) == Lease(40)


def test_lease_of_less_than_what_is_needed_is_none() -> None:
    budget = Budget(LIMITS)
    budget.lease(850, 1, START_US)
    budget.lease(30, 1, START_US + 10 * SECOND)
    assert budget.lease(40, 20, START_US + 20 * SECOND) == Lease(20)
    assert budget.lease(40, 20, START_US + 30 * SECOND).wait_s == 32.0


def test_lease_that_is_given_back_can_be_leased_again() -> None:
    budget = Budget(LIMITS)
    budget.lease(500, 1, START_US)
    budget.lease(400, 1, START_US + SECOND)
    budget.give_back(450)
    assert budget.spending(START_US + SECOND).weight == 450
    assert budget.lease(1000, 1, START_US + SECOND) == Lease(450)


def test_count_of_the_venue_adds_what_others_have_spent() -> None:
    budget = Budget(LIMITS)
    budget.lease(100, 1, START_US)
    budget.count(60, START_US)
    assert budget.spending(START_US).weight == 100
    budget.count(700, START_US + 10 * SECOND)
    assert budget.lease(1000, 1, START_US + 10 * SECOND) == Lease(200)
    assert budget.spending(START_US + 62 * SECOND).weight == 800


def test_ban_refuses_everything_until_it_is_over_and_says_why() -> None:
    budget = Budget(LIMITS)
    budget.close(START_US + 120 * SECOND, "HTTP 418 banned")
    budget.close(START_US + 60 * SECOND, "HTTP 429")
    ban = Ban(START_US + 120 * SECOND, "HTTP 418 banned")
    assert budget.lease(40, 4, START_US) == Lease(
        0, 120.0, "too many requests for 120 s (HTTP 418 banned)", ban
    )
    assert budget.spending(START_US) == Spending(0, 900, 0, 9, ban)
    assert budget.lease(40, 4, START_US + 120 * SECOND) == Lease(40)
    assert budget.spending(START_US + 120 * SECOND).ban is None


def test_ban_of_an_earlier_run_holds() -> None:
    budget = Budget(LIMITS, Ban(START_US + SECOND, "HTTP 418"))
    assert budget.lease(40, 4, START_US).weight == 0
    assert budget.lease(40, 4, START_US + SECOND).weight == 40


def test_attempts_to_connect_are_counted_over_five_minutes() -> None:
    budget = Budget(LIMITS)
    waits = [budget.dial_wait_s(START_US + number * SECOND) for number in range(10)]
    assert waits == [0.0] * 9 + [291.0]
    assert budget.dial_wait_s(START_US + 300 * SECOND) == 0.0
    assert budget.dial_wait_s(START_US + 300 * SECOND) == 1.0


@given(
    st.lists(
        st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 300), st.integers(0, 300)),
        max_size=100,
    )
)
def test_what_is_spent_in_any_minute_is_within_the_limit(
    steps: list[tuple[int, int, int]],
) -> None:
    budget = Budget(LIMITS)
    now_us, spent = START_US, []
    for wait_us, asked, unspent in steps:
        now_us += wait_us
        lease = budget.lease(asked, 1, now_us)
        back = min(lease.weight, unspent)
        budget.give_back(back)
        # At the latest moment that the lease allows.
        spent.append((now_us + round(LEASE_S * SECOND), lease.weight - back))
    for end_us, _ in spent:
        within = [weight for at_us, weight in spent if end_us - MINUTE < at_us <= end_us]
        assert sum(within) <= 900
