from __future__ import annotations

import polars as pl
import pytest

from pipeline.board import SAMPLES
from pipeline.regime_changes import MAX_CHANGES, RegimeChanges
from pipeline.schema import REGIME_CHANGES

S = 1_000_000
T0 = 1_700_000_000 * S

Told = tuple[str, int, int]  # symbol, second at which the bar opens, change


def samples(*rows: Told, revision: int = 0, volatility: float | None = 0.5) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "symbol": symbol,
                "open_time": T0 + second * S,
                "volatility": volatility,
                "direction": -change,  # that of a return has nothing to do with it
                "regime": "elevated",
                "regime_change": change,
                "revision": revision,
            }
            for symbol, second, change in rows
        ],
        schema=SAMPLES,
    )


def told(state: RegimeChanges) -> list[Told]:
    return [
        (symbol, (time - T0) // S, direction)
        for symbol, time, direction in state.frame()
        .select("symbol", pl.col("time").dt.timestamp("us"), "direction")
        .iter_rows()
    ]


def test_changes_are_told_by_the_time_their_bar_ended() -> None:
    state = RegimeChanges(S)
    state.push(samples(("A", 5, 1), ("A", 6, 0), ("B", 3, -1)))
    assert state.frame().schema == REGIME_CHANGES
    assert told(state) == [("B", 4, -1), ("A", 6, 1)]
    assert state.frame().select("regime", "volatility").rows() == [("elevated", 0.5)] * 2
    assert (state.counts()["A"], state.counts()["B"], state.counts()["C"]) == (1, 1, 0)


def test_samples_without_a_change_leave_nothing() -> None:
    state = RegimeChanges(S)
    state.push(samples(("A", 5, 0)))
    state.push(samples())
    assert state.frame().equals(REGIME_CHANGES.to_frame())


@pytest.mark.parametrize(("again", "left"), [(0, []), (-1, [("A", 6, -1)]), (1, [("A", 6, 1)])])
def test_sample_that_is_told_again_takes_the_place_of_what_it_told(
    again: int, left: list[Told]
) -> None:
    state = RegimeChanges(S)
    state.push(samples(("A", 5, 1), ("B", 5, 1)))
    state.push(samples(("A", 5, again), revision=1))
    assert sorted(told(state)) == [*left, ("B", 6, 1)]
    assert (state.counts()["A"], state.counts()["B"]) == (len(left), 1)


def test_sample_that_is_told_again_may_tell_of_a_change_at_last() -> None:
    state = RegimeChanges(S)
    state.push(samples(("A", 5, 0), ("A", 7, 1)))
    state.push(samples(("A", 5, 1), revision=1))
    assert told(state) == [("A", 6, 1), ("A", 8, 1)]


def test_of_a_sample_that_is_told_twice_at_once_the_later_one_counts() -> None:
    state = RegimeChanges(S)
    state.push(pl.concat([samples(("A", 5, 1)), samples(("A", 5, 0), revision=1)]))
    assert told(state) == []
    state.push(pl.concat([samples(("A", 6, 1)), samples(("A", 6, -1), revision=1)]))
    assert told(state) == [("A", 7, -1)]
    assert state.counts()["A"] == 1


def test_change_with_unknown_volatility_is_told_without() -> None:
    state = RegimeChanges(S)
    state.push(samples(("A", 5, 1), volatility=None))
    assert state.frame()["volatility"].to_list() == [None]


def test_when_there_are_too_many_the_first_leaves_and_still_counts() -> None:
    state = RegimeChanges(S)
    state.push(samples(*(("A", second, 1) for second in range(MAX_CHANGES + 1))))
    assert state.frame().height == 1_000
    assert told(state)[0] == ("A", 2, 1)
    assert state.counts()["A"] == 1_001
    # It was counted before it left: it is not counted twice, and takes nobody's place.
    state.push(samples(("A", 0, 1), revision=1))
    assert (told(state)[0], state.counts()["A"]) == (("A", 2, 1), 1_001)
    # The oldest that is there can still be told again.
    state.push(samples(("A", 1, 0), revision=1))
    assert (told(state)[0], state.counts()["A"]) == (("A", 3, 1), 1_000)
    # Now there is room, and still the first has left.
    state.push(samples(("A", 0, 1), revision=1))
    assert (told(state)[0], state.counts()["A"]) == (("A", 3, 1), 1_000)


def test_change_that_left_others_of_its_time_behind_is_not_counted_twice() -> None:
    state = RegimeChanges(S)
    state.push(samples(*((f"S{number}", 5, 1) for number in range(MAX_CHANGES + 1))))
    assert told(state)[0] == ("S1", 6, 1)
    state.push(samples(("S0", 5, 1), ("S1", 5, -1), revision=1))
    assert (state.frame().height, state.counts()["S0"], state.counts()["S1"]) == (1_000, 1, 1)
    assert ("S0", 6, 1) not in told(state)
    assert ("S1", 6, -1) in told(state)
