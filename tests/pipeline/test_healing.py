from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.healing import Healing, Missing

GRACE_S = 0.5

# What the documentation promises, not what the module says.
RETRY_S = 1.0
GIVE_UP_S = 10.0
PIECE = 20_000


def healing(*hole: int, now_s: float = 0.0) -> Healing:
    """One symbol with one hole, reported at `now_s`."""
    made = Healing(GRACE_S)
    report(made, *hole, now_s=now_s)
    return made


def report(healing: Healing, *hole: int, now_s: float, applied: bool = False) -> None:
    first_id, last_id = hole
    healing.report({"A": [(first_id, last_id)]}, ["A"] if applied else [], now_s)


def test_due_waits_for_the_grace_in_which_the_stream_may_close_the_hole() -> None:
    watched = healing(5, 9, now_s=100.0)
    assert watched.due(100.49) == []
    assert watched.due(100.5) == [Missing("A", 5, 9)]


def test_due_is_the_first_hole_of_each_symbol() -> None:
    watched = Healing(GRACE_S)
    watched.report({"A": [(5, 9), (20, 21)], "B": [(1, 1), (3, 3)]}, [], 0.0)
    assert watched.due(1.0) == [Missing("A", 5, 9), Missing("B", 1, 1)]


def test_due_of_a_long_hole_is_its_first_piece() -> None:
    assert healing(1, PIECE).due(1.0) == [Missing("A", 1, PIECE)]
    assert healing(1, PIECE + 1).due(1.0) == [Missing("A", 1, PIECE)]
    assert healing(7, 3 * PIECE).due(1.0) == [Missing("A", 7, PIECE + 6)]


def test_due_after_an_answer_without_the_ids_waits_for_the_retry() -> None:
    watched = healing(5, 9)
    assert watched.answered(Missing("A", 5, 9), None, 10.0) is None
    assert watched.due(10.99) == []
    assert watched.due(10.0 + RETRY_S) == [Missing("A", 5, 9)]


def test_due_after_an_answer_waits_until_it_is_applied() -> None:
    watched = healing(5, 9)
    watched.answered(Missing("A", 5, 9), 5, 1.0)
    assert watched.due(20.0) == []
    report(watched, 5, 9, now_s=20.0)
    assert watched.due(20.0) == []
    watched.report({"A": [(5, 9)]}, ["B"], 20.0)
    assert watched.due(20.0) == []
    report(watched, 8, 9, now_s=21.0, applied=True)
    assert watched.due(21.0) == [Missing("A", 8, 9)]


def test_due_after_an_answer_was_applied_still_waits_for_the_retry() -> None:
    watched = healing(5, 9)
    watched.answered(Missing("A", 5, 9), 5, 10.0)
    report(watched, 7, 9, now_s=10.1, applied=True)
    assert watched.due(10.9) == []
    assert watched.due(11.0) == [Missing("A", 7, 9)]


def test_answered_gives_up_once_the_first_id_was_unserved_for_so_long() -> None:
    watched, missing = healing(5, 9), Missing("A", 5, 9)
    # The hole is old already: what counts is the first answer that lacks the id.
    assert watched.answered(missing, None, 100.0) is None
    assert watched.answered(missing, None, 99.9 + GIVE_UP_S) is None
    assert watched.answered(missing, None, 100.0 + GIVE_UP_S) == missing


def test_answered_gives_up_only_the_ids_before_the_first_that_is_served() -> None:
    watched, missing = healing(5, 9), Missing("A", 5, 9)
    assert watched.answered(missing, 8, 0.0) is None
    assert watched.answered(missing, 8, GIVE_UP_S) == Missing("A", 5, 7)


def test_answered_gives_up_no_more_than_was_asked_for() -> None:
    watched = healing(1, 3 * PIECE)
    (asked,) = watched.due(1.0)
    watched.answered(asked, None, 1.0)
    assert watched.answered(asked, None, 1.0 + GIVE_UP_S) == Missing("A", 1, PIECE)


def test_answered_with_the_first_id_never_gives_up() -> None:
    watched, missing = healing(5, 9), Missing("A", 5, 9)
    watched.answered(missing, None, 0.0)
    assert watched.answered(missing, 5, GIVE_UP_S) is None


def test_due_after_giving_up_waits_until_that_is_applied() -> None:
    watched, missing = healing(5, 9), Missing("A", 5, 9)
    watched.answered(missing, None, 0.0)
    watched.answered(missing, None, GIVE_UP_S)
    assert watched.due(GIVE_UP_S + 10) == []
    report(watched, 20, 21, now_s=GIVE_UP_S + 10, applied=True)
    assert watched.due(GIVE_UP_S + 10.5) == [Missing("A", 20, 21)]


def test_answered_for_a_hole_that_has_moved_changes_nothing() -> None:
    watched, old = healing(5, 9), Missing("A", 5, 9)
    report(watched, 7, 9, now_s=1.0)
    assert watched.answered(old, None, 1.0) is None
    assert watched.due(1.0) == [Missing("A", 7, 9)]
    assert watched.answered(Missing("B", 1, 1), None, 1.0) is None


def test_hole_whose_start_moves_while_its_end_stays_keeps_its_age() -> None:
    watched = healing(5, 9)
    report(watched, 8, 9, now_s=20.0)
    assert watched.due(20.0) == [Missing("A", 8, 9)]
    assert watched.doubtful(GIVE_UP_S) == [Missing("A", 8, 9)]


def test_hole_whose_end_moves_while_its_start_stays_keeps_its_age() -> None:
    watched = healing(5, 9)
    report(watched, 5, 30, now_s=20.0)
    assert watched.due(20.0) == [Missing("A", 5, 30)]
    assert watched.doubtful(GIVE_UP_S) == [Missing("A", 5, 30)]


def test_hole_elsewhere_is_a_new_one() -> None:
    watched = healing(5, 9)
    report(watched, 12, 14, now_s=20.0)
    assert watched.due(20.4) == []
    assert watched.due(20.5) == [Missing("A", 12, 14)]
    assert watched.doubtful(19.9 + GIVE_UP_S) == []


def test_hole_that_closed_is_forgotten() -> None:
    watched, missing = healing(5, 9), Missing("A", 5, 9)
    watched.answered(missing, None, 1.0)
    watched.report({}, [], 2.0)
    assert (watched.due(100.0), watched.doubtful(100.0)) == ([], [])
    assert watched.answered(missing, None, 100.0) is None
    report(watched, 5, 9, now_s=100.0)
    assert watched.due(100.4) == []
    assert watched.answered(missing, None, 101.0) is None


def test_doubtful_names_an_old_hole_once_in_a_while() -> None:
    watched = healing(1, 3 * PIECE, now_s=100.0)
    assert watched.doubtful(99.9 + GIVE_UP_S) == []
    assert watched.doubtful(105.0 + GIVE_UP_S) == [Missing("A", 1, 3 * PIECE)]
    assert watched.doubtful(105.0 + GIVE_UP_S) == []
    assert watched.doubtful(104.9 + 2 * GIVE_UP_S) == []
    assert watched.doubtful(105.0 + 2 * GIVE_UP_S) == [Missing("A", 1, 3 * PIECE)]


def runs(missing: set[int]) -> list[tuple[int, int]]:
    firsts = sorted(one for one in missing if one - 1 not in missing)
    lasts = sorted(one for one in missing if one + 1 not in missing)
    return list(zip(firsts, lasts, strict=True))


@given(
    served=st.frozensets(st.integers(1, 20)),
    delay=st.integers(0, 3),
    every_s=st.sampled_from([0.4, 1.0, 7.0]),
)
def test_healing_in_the_end_fetches_what_is_served_and_gives_up_the_rest(
    served: frozenset[int], delay: int, every_s: float
) -> None:
    watched, missing = Healing(GRACE_S), set(range(1, 21))
    fetched: set[int] = set()
    lost: set[int] = set()
    under_way: list[tuple[int, set[int]]] = []  # the round it is applied in, and its ids
    for turn in range(1500):
        now_s = turn * every_s
        done = [ids for due, ids in under_way if due <= turn]
        under_way = [answer for answer in under_way if answer[0] > turn]
        missing = missing.difference(*done)
        watched.report({"A": runs(missing)} if missing else {}, ["A"] if done else [], now_s)
        for asked in watched.due(now_s):
            assert not under_way
            page = {one for one in served if asked.first_id <= one <= asked.last_id}
            given_up = watched.answered(asked, min(page, default=None), now_s)
            gone = set() if given_up is None else {*range(given_up.first_id, given_up.last_id + 1)}
            fetched, lost = fetched | page, lost | gone
            if page or gone:
                under_way.append((turn + 1 + delay, page | gone))
    assert missing == set()
    assert fetched == served
    assert lost == set(range(1, 21)) - served


def test_answered_for_the_next_piece_waits_as_long_as_for_the_first() -> None:
    watched = healing(1, 40_000)
    watched.answered(Missing("A", 1, 20_000), None, 1.0)
    watched.answered(Missing("A", 1, 20_000), 1, 2.0)
    report(watched, 20_001, 40_000, now_s=2.1, applied=True)
    asked = Missing("A", 20_001, 40_000)
    assert watched.answered(asked, None, 31.0) is None
    assert watched.answered(asked, None, 31.0 + GIVE_UP_S) == asked
