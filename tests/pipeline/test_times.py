from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from pipeline.times import microseconds, time_at


def test_time_is_exact_to_the_microsecond_both_ways() -> None:
    # A float of seconds would end in .999999 or round.
    time = datetime(2286, 11, 20, 17, 46, 39, 999_999, tzinfo=UTC)
    assert microseconds(time) == 9_999_999_999_999_999
    assert time_at(9_999_999_999_999_999) == time
    assert time_at(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def test_time_of_another_zone_is_the_same_moment() -> None:
    there = timezone(timedelta(hours=2))
    assert microseconds(datetime(1970, 1, 1, 2, 0, 1, tzinfo=there)) == 1_000_000
