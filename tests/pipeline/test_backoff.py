from __future__ import annotations

import random

from pipeline.backoff import Backoff


class Highest(random.Random):
    """Draws the upper bound."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - as the class it extends
        return b


def test_backoff_doubles_its_ceiling_up_to_the_longest_wait() -> None:
    backoff = Backoff(Highest(), max_s=3.0)

    waits = [backoff.next_wait_s(lived_s=0.0) for _ in range(7)]

    assert waits == [0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 3.0]


def test_backoff_by_default_waits_at_most_half_a_minute() -> None:
    backoff = Backoff(Highest())

    assert max(backoff.next_wait_s(lived_s=0.0) for _ in range(20)) == 30.0


def test_backoff_after_a_connection_that_lived_starts_over() -> None:
    backoff = Backoff(Highest(), max_s=3.0)
    for _ in range(7):
        backoff.next_wait_s(lived_s=0.0)

    assert backoff.next_wait_s(lived_s=3.0) == 3.0
    assert backoff.next_wait_s(lived_s=3.1) == 0.25
    assert backoff.next_wait_s(lived_s=0.0) == 0.5


def test_backoff_with_a_short_longest_wait_never_exceeds_it() -> None:
    backoff = Backoff(Highest(), max_s=0.1)

    assert [backoff.next_wait_s(lived_s=1.0) for _ in range(3)] == [0.1, 0.1, 0.1]


def test_backoff_with_one_seed_draws_the_same_waits_from_zero_to_the_ceiling() -> None:
    first, second = (Backoff(random.Random(7)) for _ in range(2))  # noqa: S311 - not for secrets

    waits = [first.next_wait_s(lived_s=0.0) for _ in range(200)]

    assert waits == [second.next_wait_s(lived_s=0.0) for _ in range(200)]
    assert min(waits[10:]) < 1.0
    assert max(waits) > 29.0
    assert 13.0 < sum(waits[10:]) / len(waits[10:]) < 17.0
