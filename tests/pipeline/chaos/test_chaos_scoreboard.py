from __future__ import annotations

from dataclasses import replace

import pytest
from rich.progress import Progress

from actors.chaos_table import Scoreboard
from pipeline.chaos.scenarios import SCENARIOS
from pipeline.chaos.scoreboard import Outcome, Sight, chosen, count_mistaken, scoreboard

WELL = Sight(
    connected=True,
    reconnects=2,
    stale=False,
    pending=0,
    backfilled=10,
    duplicates=3,
    rejected=1,
    skewed=False,
    behind_s=0.1,
)
GOOD = Outcome(
    issued=100,
    live=90,
    backfilled=10,
    lost=0,
    expected_lost=0,
    mistaken_lost=0,
    duplicates_applied=0,
    hash_equal=True,
    bars_equal=True,
    detect_s=0.4,
    detect_within_s=3.0,
    heal_s=1.2,
    needless=None,
    false_alerts=0,
    missed_alerts=0,
)

_NOTHING_LOST: dict[str, object] = {"lost_ranges": [], "lost_untold": 0}


@pytest.mark.parametrize(
    ("sign", "change"),
    [
        ("connection", {"connected": False}),
        ("connection", {"reconnects": 3}),
        ("stale", {"stale": True}),
        ("ids", {"pending": 1}),
        ("ids", {"backfilled": 11}),
        ("duplicates", {"duplicates": 4}),
        ("rejected", {"rejected": 2}),
        ("clock", {"skewed": True}),
        ("lag", {"behind_s": 2.1}),
    ],
)
def test_sight_shows_a_sign_only_when_it_is_new(sign: str, change: dict[str, object]) -> None:
    disturbed = replace(WELL, **change)  # type: ignore[arg-type]  # of the table above
    assert not WELL.shows(sign, WELL)  # type: ignore[arg-type]  # as above
    assert disturbed.shows(sign, WELL)  # type: ignore[arg-type]  # as above
    assert not disturbed.shows(sign, disturbed)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1, "live": 89},
        {"live": 89},
        {"duplicates_applied": 1},
        {"hash_equal": False},
        {"mistaken_lost": 2},
        {"bars_equal": False},
        {"detect_s": None},
        {"detect_s": 3.1},
        {"needless": 1},
        {"heal_s": None},
        {"false_alerts": 1},
        {"missed_alerts": 1},
    ],
)
def test_outcome_is_good_only_if_all_is(change: dict[str, object]) -> None:
    assert GOOD.is_good
    assert not replace(GOOD, **change).is_good  # type: ignore[arg-type]  # of the table above


def test_outcome_is_good_without_a_sign_where_there_was_nothing_to_notice() -> None:
    assert replace(GOOD, detect_s=None, detect_within_s=None, needless=0).is_good
    assert replace(GOOD, detect_s=3.0).is_good  # the limit itself


def test_scenario_says_how_soon_it_has_to_be_noticed() -> None:
    within = {one.name: one.detect_within_s for one in SCENARIOS}
    dead = {"abort", "close 1001", "close 1008", "half_open", "abort, duplicate, reorder"}
    assert {name for name in within if within[name] == 3.0} == dead
    assert {name for name in within if within[name] is None} == {
        "calm", "quiet market", "no_ping", "reorder",
    }  # fmt: skip
    # Before the venue closes, as it has announced.
    assert (within["server_shutdown"], within["shutdown, skip, rest_lag"]) == (5.0, 4.0)
    assert (within["silent"], within["skew"]) == (3.5, 10.0)


def cells(change: dict[str, object], *headers: str) -> tuple[object, ...]:
    board = Scoreboard(Progress(), 1)
    board.add("x", replace(GOOD, **change))  # type: ignore[arg-type]  # of the tables below
    found = {column.header: [*column.cells] for column in board.table.columns}
    return tuple(cell for header in headers for cell in found[header])


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({}, "0.4"),
        ({"detect_s": None}, "never > 3.0"),
        ({"detect_s": 3.12}, "3.1 > 3.0"),
        ({"detect_s": None, "detect_within_s": None}, "-"),
    ],
)
def test_table_shows_when_it_was_noticed_or_that_it_was_too_late(
    change: dict[str, object], shown: str
) -> None:
    assert cells(change, "detected s") == (shown,)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({}, ("1.2", "-")),
        ({"heal_s": None}, ("never", "-")),
        ({"needless": 0}, ("-", "0")),
        ({"needless": 2}, ("-", "2")),
        ({"needless": 0, "heal_s": None}, ("never", "0")),
    ],
)
def test_table_shows_what_was_needless_where_nothing_was_wrong_and_else_when_it_was_healed(
    change: dict[str, object], shown: tuple[str, str]
) -> None:
    assert cells(change, "healed s", "needless") == shown


def test_outcome_of_ids_that_are_served_nowhere_is_good_when_exactly_those_are_lost() -> None:
    lost = replace(GOOD, live=85, lost=5, expected_lost=5)
    assert lost.is_good
    assert not replace(lost, live=86, lost=4).is_good


def test_count_mistaken_compares_the_ids_and_not_how_many_there_are() -> None:
    def rows(*ranges: tuple[int, int], untold: int = 0) -> dict[str, dict[str, object]]:
        return {"A": {"lost_ranges": ranges, "lost_untold": untold}, "B": _NOTHING_LOST}

    withheld = {"A": [[7, 9], [12, 12]]}
    assert count_mistaken(rows((7, 8), (9, 9), (12, 12)), withheld) == 0
    assert count_mistaken(rows((7, 9), (13, 13)), withheld) == 2  # as many, but not the same
    assert count_mistaken(rows((7, 9)), withheld) == 1
    assert count_mistaken(rows((7, 9), (12, 12), untold=3), withheld) == 3
    assert count_mistaken(rows((7, 9), (12, 12)), withheld | {"B": [[1, 1]]}) == 1


def test_scoreboard_is_the_documented_report() -> None:
    report = scoreboard(5000.0, {"abort": GOOD})
    assert report["rate_per_s"] == 5000.0
    fields = ["issued", "live", "backfilled", "lost", "duplicates_applied", "hash_equal",
              "detect_s", "heal_s", "false_alerts"]  # fmt: skip
    assert [report["faults"]["abort"][name] for name in fields] == [
        100, 90, 10, 0, 0, True, 0.4, 1.2, 0,
    ]  # fmt: skip


def test_chosen_of_an_unknown_name_says_which_there_are() -> None:
    assert [one.name for one in chosen(SCENARIOS, ["skip", "abort"])] == ["skip", "abort"]
    assert len(chosen(SCENARIOS, [])) == len(SCENARIOS)
    with pytest.raises(
        ValueError, match=r"expected faults of 'calm', 'quiet market',.*found 'fire', 'a, b'"
    ):
        chosen(SCENARIOS, ["fire", "a, b"])
