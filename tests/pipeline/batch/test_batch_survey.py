from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batch.survey import BarSurvey, TradeSurvey
from pipeline.durations import HOUR, MINUTE, SECOND

MAX_HELD = 10
NO_US = np.empty((0, 2), dtype=np.int64)


def array(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


@dataclass
class Seen:
    """What a plain walk over rows finds."""

    restarts: list[tuple[int, int]] = field(default_factory=list)  # row, newest id before it
    backward: int = 0
    microsecond: int = 0
    halts: list[tuple[int, int]] = field(default_factory=list)


def plain(rows: list[tuple[int, int]]) -> Seen:
    seen = Seen()
    newest: tuple[int, int] | None = None
    for at, (trade_id, time_us) in enumerate(rows):
        if newest is not None:
            out_of_reach = (
                trade_id < newest[0] - MAX_HELD
                or trade_id < newest[0] / 2
                or trade_id >= newest[0] + 100_000_000
            )
            if out_of_reach and time_us > newest[1] + HOUR:
                seen.restarts.append((at, newest[0]))
                newest = None
        if newest is None or newest[0] < trade_id < newest[0] + 100_000_000:
            newest = (trade_id, time_us)
        if at:
            before_id, before_us = rows[at - 1]
            seen.backward += time_us < before_us
            if trade_id == before_id + 1 and time_us - before_us > MINUTE:
                seen.halts.append((before_us, time_us))
        seen.microsecond += time_us % 1000 != 0
    return seen


def surveyed(rows: list[tuple[int, int]], cuts: list[int]) -> Seen:
    seen, carried, start = Seen(), None, 0
    for stop in [*sorted(cuts), len(rows)]:
        survey = TradeSurvey(MAX_HELD, carried)
        ids, times_us = (
            array([i for i, _ in rows[start:stop]]),
            array([t for _, t in rows[start:stop]]),
        )
        found = survey.look(ids, times_us, told=100)
        carried = survey.carried
        restarts = [(start + run.start, run.restarts_after) for run in found.runs]
        seen.restarts += [(at, after) for at, after in restarts if after is not None]
        assert [run.start for run in found.runs[1:]] == [run.stop for run in found.runs[:-1]]
        assert sum(run.stop - run.start for run in found.runs) == stop - start
        seen.backward += found.backward_times
        seen.microsecond += found.microsecond_times
        seen.halts += [(int(before), int(after)) for before, after in found.halts_us]
        assert found.halts == len(found.halts_us)
        start = stop
    return seen


ids = st.one_of(st.integers(0, 60), st.just(200_000_000), st.integers(10**9, 10**9 + 3))
times_us = st.one_of(
    st.integers(0, 5).map(lambda s: s * SECOND + 7),
    st.integers(0, 5).map(lambda h: h * HOUR),
    st.integers(0, 5).map(lambda h: h * HOUR + 1),
    st.integers(0, 5).map(lambda m: m * MINUTE),
)


@given(st.lists(st.tuples(ids, times_us), max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_survey_of_any_cut_equals_a_plain_walk_over_the_rows(
    rows: list[tuple[int, int]], cuts: list[int]
) -> None:
    assert surveyed(rows, [cut for cut in cuts if cut <= len(rows)]) == plain(rows)


def test_survey_of_a_market_listed_anew_starts_a_numbering_there() -> None:
    day_us = 24 * HOUR
    rows = [(5_000, 0), (5_001, SECOND), (1, day_us), (2, day_us + SECOND)]
    assert surveyed(rows, []).restarts == [(2, 5_001)]


def test_survey_of_days_far_apart_starts_a_numbering_at_the_later() -> None:
    rows = [(1, 0), (2, SECOND), (100_000_002, 24 * HOUR), (100_000_003, 24 * HOUR)]
    assert surveyed(rows, []).restarts == [(2, 2)]


def test_survey_of_old_rows_repeated_within_the_hour_keeps_the_numbering() -> None:
    rows = [(5_000, 0), (5_001, SECOND), (1, 2 * SECOND), (5_002, 3 * SECOND)]
    assert surveyed(rows, []).restarts == []


def test_survey_is_not_led_astray_by_one_id_out_of_reach() -> None:
    rows = [(1, 0), (10**15, SECOND), (2, 2 * SECOND), (3, 2 * HOUR)]
    assert surveyed(rows, []).restarts == []


def test_survey_tells_a_halt_of_more_than_a_minute_between_ids_that_follow() -> None:
    rows = [(1, 0), (2, 60 * SECOND), (3, 121 * SECOND), (5, 300 * SECOND)]
    assert surveyed(rows, []).halts == [(60 * SECOND, 121 * SECOND)]


def test_survey_tells_the_first_halts_and_counts_all() -> None:
    found = TradeSurvey(MAX_HELD).look(array([1, 2, 3, 4]), array([0, 1, 2, 3]) * 120 * SECOND, 2)
    assert found.halts == 3
    assert found.halts_us.tolist() == [[0, 120 * SECOND], [120 * SECOND, 240 * SECOND]]


def test_bar_survey_tells_runs_of_missing_rows_and_steps_back_over_any_cut() -> None:
    minutes = [0, 1, 4, 3, 5, 5, 9]
    for cut in range(1, len(minutes)):
        first = BarSurvey(MINUTE)
        one = first.look(array(minutes[:cut]) * MINUTE)
        two = BarSurvey(MINUTE, first.carried).look(array(minutes[cut:]) * MINUTE)
        halts_us = np.concatenate([one.halts_us, two.halts_us]).tolist()
        assert halts_us == [[2 * MINUTE, 4 * MINUTE], [6 * MINUTE, 9 * MINUTE]]
        assert one.backward_times + two.backward_times == 1
