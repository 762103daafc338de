from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from pipeline.conditions import FeedState, conditions

FEED = FeedState()


def word(
    feed: FeedState = FEED,
    *,
    age_s: float = 1.0,
    pending: int = 0,
    last_id: int | None = 7,
    losing: list[str] | None = None,
) -> str:
    health = pl.DataFrame(
        {"symbol": ["A"], "last_id": [last_id], "last_trade_age_s": [age_s], "pending": [pending]},
        schema_overrides={"last_id": pl.Int64},
    )
    told = conditions(health, feed, losing or [], quiet_after_s=10.0)
    assert told.name == "condition"
    return str(told[0])


def test_condition_of_a_market_with_nothing_the_matter_is_live() -> None:
    assert word() == "live"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"connected": False}, "down"),
        ({"suspect": True}, "stale"),
        ({"behind": frozenset({"A"})}, "stale"),
        ({"behind": frozenset({"B"})}, "live"),
        ({"dropping": True}, "slow"),
        ({"skewed": True}, "skewed"),
    ],
)
def test_condition_tells_what_is_the_matter_with_the_feed(
    change: dict[str, object], expected: str
) -> None:
    assert word(replace(FEED, **change)) == expected  # type: ignore[arg-type]  # of the table above


def test_condition_tells_a_halt_from_a_quiet_market_by_what_is_usual() -> None:
    assert word(age_s=10.0) == "live"
    assert word(age_s=11.0) == "quiet"
    assert word(FeedState(unusual=frozenset({"A"})), age_s=11.0) == "halted"
    # While the price still holds, a pause is none.
    assert word(FeedState(unusual=frozenset({"A"})), age_s=9.0) == "live"


def test_condition_of_missing_and_lost_ids() -> None:
    assert word(pending=3) == "healing"
    assert word(losing=["A"]) == "lossy"
    assert word(losing=["B"]) == "live"
    assert word(last_id=None) == "waiting"


def test_condition_tells_the_cause_before_its_effect() -> None:
    everything = FeedState(
        connected=False,
        suspect=True,
        dropping=True,
        skewed=True,
        unusual=frozenset({"A"}),
        behind=frozenset({"A"}),
    )
    order = []
    for change in ({}, {"connected": True}, {"suspect": False, "behind": frozenset()},
                   {"dropping": False}):  # fmt: skip
        everything = replace(everything, **change)  # type: ignore[arg-type]  # as above
        order.append(word(everything, age_s=99.0, pending=1, losing=["A"]))
    order.append(word(everything, age_s=99.0, losing=["A"]))
    order.append(word(replace(everything, skewed=False), age_s=99.0, losing=["A"]))
    assert order == ["down", "stale", "slow", "healing", "skewed", "halted"]
