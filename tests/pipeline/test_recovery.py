from __future__ import annotations

from pipeline.healing import Missing
from pipeline.recovery import Recovery


def lost(recovery: Recovery, *ranges: tuple[int, int], now_s: float) -> None:
    recovery.report({"A": ranges} if ranges else {}, now_s)


def test_due_of_a_loss_comes_after_15_45_and_105_seconds() -> None:
    recovery = Recovery(600.0)
    asked = []
    for now_s in range(200):
        lost(recovery, (5, 9), now_s=float(now_s))
        asked += [now_s] if recovery.due(float(now_s)) else []
    assert asked == [15, 45, 105]


def test_due_is_every_range_of_the_symbol() -> None:
    recovery = Recovery(600.0)
    lost(recovery, (5, 9), (20, 20), now_s=0.0)
    assert recovery.due(15.0) == [Missing("A", 5, 9), Missing("A", 20, 20)]


def test_due_of_a_long_range_is_its_first_piece() -> None:
    recovery = Recovery(600.0)
    lost(recovery, (1, 50_000), now_s=0.0)
    assert recovery.due(15.0) == [Missing("A", 1, 20_000)]


def test_due_of_many_ranges_is_the_newest_twenty() -> None:
    recovery = Recovery(600.0)
    lost(recovery, *((2 * at, 2 * at) for at in range(30)), now_s=0.0)
    assert [missing.first_id for missing in recovery.due(15.0)] == list(range(20, 60, 2))


def test_due_of_what_came_after_all_is_nothing() -> None:
    recovery = Recovery(600.0)
    lost(recovery, (5, 9), now_s=0.0)
    lost(recovery, now_s=10.0)
    assert recovery.due(15.0) == []


def test_due_after_a_newer_loss_starts_over() -> None:
    recovery = Recovery(600.0)
    lost(recovery, (5, 9), now_s=0.0)
    lost(recovery, (5, 9), (30, 30), now_s=14.0)
    assert recovery.due(28.0) == []
    assert len(recovery.due(29.0)) == 2


def test_due_out_of_reach_is_nothing() -> None:
    recovery = Recovery(30.0)
    lost(recovery, (5, 9), now_s=0.0)
    assert len(recovery.due(15.0)) == 1
    assert recovery.due(45.0) == []
