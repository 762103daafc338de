from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.pacing import Pace


def test_pace_lets_the_limit_through_and_then_waits_a_second_and_a_quarter() -> None:
    pace = Pace(3)

    assert [pace.take(now_s) for now_s in (10.0, 10.5, 10.6, 10.7)] == [True, True, True, False]
    assert [pace.take(now_s) for now_s in (11.24, 11.25, 11.26)] == [False, True, False]


def test_pace_that_leaves_room_keeps_it_for_who_does_not() -> None:
    pace = Pace(2)

    assert pace.take(0.0, leave=1)
    assert not pace.take(0.0, leave=1)
    assert pace.take(0.0)
    assert not pace.take(0.0)


@given(st.lists(st.floats(0.0, 0.5), max_size=200), st.integers(1, 5))
def test_pace_of_any_wishes_stays_within_the_limit(waits: list[float], limit: int) -> None:
    pace = Pace(limit)
    now_s, sent = 0.0, []
    for wait_s in waits:
        now_s += wait_s
        if pace.take(now_s):
            sent.append(now_s)

    within = [last - first for first, last in zip(sent, sent[limit:], strict=False)]
    assert all(span_s >= 1.0 for span_s in within)
