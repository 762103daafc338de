from __future__ import annotations

from pipeline.clock import Skew, VenueClock


def test_clock_before_the_second_reading_is_unknown() -> None:
    clock = VenueClock()
    assert (clock.speed, clock.now_us(0), clock.settled_us(0, 0)) == (None, None, None)
    clock.read(1_000, 10, 20)
    assert (clock.speed, clock.now_us(15), clock.settled_us(15, 0)) == (None, None, None)


def test_clock_at_the_speed_of_time_runs_from_the_middle_of_the_newest_round_trip() -> None:
    clock = VenueClock()
    clock.read(5_000_000, 0, 100)
    clock.read(6_000_000, 1_000_000, 1_000_100)
    assert clock.speed == 1.0
    assert clock.now_us(1_000_050) == 6_000_000
    assert clock.now_us(3_000_050) == 8_000_000
    assert clock.settled_us(3_000_050, 500_000) == 7_500_000


def test_clock_of_a_fast_replay_scales_time_and_allowance() -> None:
    clock = VenueClock()
    clock.read(0, 0, 0)
    clock.read(100_000_000, 1_000_000, 1_000_000)
    assert clock.now_us(1_500_000) == 150_000_000
    assert clock.settled_us(1_500_000, 250_000) == 125_000_000


def test_clock_of_a_slow_replay_keeps_the_whole_allowance() -> None:
    clock = VenueClock()
    clock.read(0, 0, 0)
    clock.read(500_000, 1_000_000, 1_000_000)
    assert clock.settled_us(1_000_000, 200_000) == 300_000


def test_clock_that_speeds_up_is_taken_at_the_slowest_recent_pace() -> None:
    clock = VenueClock()
    for local_us, venue_us in ((0, 0), (1_000_000, 0), (2_000_000, 50_000_000)):
        clock.read(venue_us, local_us, local_us)
    assert clock.now_us(3_000_000) == 0
    for local_us in (3_000_000, 4_000_000, 5_000_000):
        clock.read(50_000_000 * (local_us // 1_000_000 - 1), local_us, local_us)
    assert clock.speed == 50.0


def test_clock_that_jumps_ahead_is_not_followed_at_once() -> None:
    clock = VenueClock()
    for second, ahead_s in ((0, 0), (5, 0), (10, 3600), (15, 0)):
        clock.read((second + ahead_s) * 1_000_000, second * 1_000_000, second * 1_000_000)
        if second == 10:
            assert clock.now_us(11_000_000) == 11_000_000
    # While the jump back is among the readings it stands, behind the venue's time.
    assert clock.speed == 0.0
    assert clock.now_us(16_000_000) == 0


def test_clock_told_in_seconds_runs_at_the_speed_of_time_and_never_ahead() -> None:
    clock = VenueClock(step_us=1_000_000)
    # The venue is 100.3 s ahead, and cuts its time down to whole seconds.
    for local_us in (0, 500_000, 1_000_000, 6_000_000, 11_000_000, 16_000_000):
        venue_us = local_us + 100_300_000
        clock.read(venue_us // 1_000_000 * 1_000_000, local_us, local_us)
        if local_us > 0:
            assert clock.speed == 1.0
            now_us = clock.now_us(local_us)
            assert now_us is not None
            assert venue_us - 1_000_000 < now_us <= venue_us


def test_clock_told_in_seconds_of_a_fast_replay_is_not_taken_for_one_that_keeps_time() -> None:
    clock = VenueClock(step_us=1_000_000)
    clock.read(0, 0, 0)
    clock.read(50_000_000, 5_000_000, 5_000_000)
    assert clock.speed == 10.0


def test_skew_is_that_of_the_fastest_recent_answer_give_or_take_half_its_round_trip() -> None:
    clock = VenueClock()
    assert clock.skew(0, 0) is None
    clock.read(5_000_000, 0, 100)
    assert clock.skew(0, 0) is None
    clock.read(6_000_400, 1_000_000, 1_002_000)
    # The first answer: its venue time was 5 s at 50 us; a second later it is 6 s, and here 5.9 s.
    assert clock.skew(1_000_050, 5_900_000) == Skew(100_000, 50)
    for second in range(2, 6):
        clock.read(5_000_000 + second * 1_000_000, second * 1_000_000, second * 1_000_000 + 3_000)
    assert clock.skew(6_001_500, 11_000_500) == Skew(-500, 1_500)


def test_skew_of_a_clock_that_was_set_is_that_of_the_readings_since() -> None:
    clock = VenueClock()
    clock.read(5_000_000, 0, 100)
    clock.read(6_000_000, 1_000_000, 1_000_100)
    # Set five seconds ahead; this answer took twenty times as long as those before.
    clock.read(12_000_000, 2_000_000, 2_002_000)
    assert clock.skew(2_001_000, 7_001_000) == Skew(4_999_000, 1_000)
    clock.read(13_000_000, 3_000_000, 3_001_000)
    assert clock.skew(3_000_500, 8_000_500) == Skew(4_999_500, 500)


def test_skew_of_a_replay_is_unknown() -> None:
    clock = VenueClock()
    clock.read(0, 0, 0)
    clock.read(100_000_000, 1_000_000, 1_000_000)
    assert clock.skew(2_000_000, 0) is None
