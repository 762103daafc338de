from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from viz.pacing import Pacer


def play(pacer: Pacer, *, seconds: float, start_s: float = 0.0, lag: int) -> list[float]:
    """Ask every 250 ms; each tick is painted `lag` asks after it was sent. Return when it sent."""
    sent: list[float] = []
    painting: list[tuple[int, int]] = []
    for ask in range(round(seconds * 4)):
        now_s = start_s + ask / 4
        for due, stamp in list(painting):
            if due <= ask:
                pacer.painted(stamp)
                painting.remove((due, stamp))
        if pacer.may_send(now_s):
            stamp = round(now_s * 1000)
            pacer.sent(stamp, now_s)
            painting.append((ask + lag, stamp))
            sent.append(now_s)
    return sent


def test_pacer_with_a_page_that_paints_sends_four_a_second() -> None:
    assert len(play(Pacer(), seconds=3, lag=1)) == 12


def test_pacer_without_acknowledgement_sends_two_then_one_every_two_seconds() -> None:
    assert play(Pacer(), seconds=4.75, lag=1_000) == [0.0, 0.25, 2.25, 4.25]


def test_pacer_acknowledging_the_newest_acknowledges_those_before() -> None:
    pacer = Pacer()
    pacer.sent(100, 0.0)
    pacer.sent(200, 0.25)
    assert not pacer.may_send(0.5)
    pacer.painted(200)
    assert pacer.may_send(0.5)


def test_pacer_acknowledging_the_older_gives_one_credit() -> None:
    pacer = Pacer()
    pacer.sent(100, 0.0)
    pacer.sent(200, 0.25)
    pacer.painted(100)
    assert pacer.may_send(0.5)
    pacer.sent(300, 0.5)
    assert not pacer.may_send(0.75)


def test_pacer_with_a_slow_page_halves_its_rate_after_five_seconds() -> None:
    pacer = Pacer()
    # A tick takes 1.5 s to paint: two of three asks are held back.
    play(pacer, seconds=4.5, lag=6)
    assert pacer.rate_hz == 4.0
    play(pacer, seconds=2, start_s=4.5, lag=6)
    assert pacer.rate_hz == 2.0


def test_pacer_with_a_page_that_never_paints_ends_at_one_a_second() -> None:
    pacer = Pacer()
    play(pacer, seconds=30, lag=1_000)
    assert pacer.rate_hz == 1.0


def test_pacer_at_a_reduced_rate_sends_no_faster() -> None:
    pacer = Pacer()
    play(pacer, seconds=6.5, lag=6)
    assert pacer.rate_hz == 2.0
    pacer.painted(10**9)
    sent = play(pacer, seconds=3, start_s=12, lag=1)
    assert sent == [12.0, 12.5, 13.0, 13.5, 14.0, 14.5]


def test_pacer_after_ten_good_seconds_goes_back_to_four_a_second() -> None:
    pacer = Pacer()
    play(pacer, seconds=6.5, lag=6)
    pacer.painted(10**9)
    play(pacer, seconds=9, start_s=6.5, lag=1)
    assert pacer.rate_hz == 2.0
    play(pacer, seconds=4, start_s=15.5, lag=1)
    assert pacer.rate_hz == 4.0


@given(st.lists(st.tuples(st.floats(0.01, 3.0), st.booleans()), max_size=200))
def test_pacer_never_has_more_than_two_unpainted_within_two_seconds(
    steps: list[tuple[float, bool]],
) -> None:
    pacer = Pacer()
    now_s = 0.0
    unpainted: list[float] = []
    for wait_s, paints in steps:
        now_s += wait_s
        if paints:
            pacer.painted(now_s * 1000)
            unpainted.clear()
        if pacer.may_send(now_s):
            pacer.sent(int(now_s * 1000), now_s)
            unpainted.append(now_s)
        assert len([sent_s for sent_s in unpainted[:-1] if sent_s > now_s - 2.0]) <= 2
