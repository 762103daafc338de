from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline import folding
from pipeline.folding import Folding
from pipeline.market_alerts import Wave
from pipeline.schema import ALERTS, TIME
from tests.pipeline.test_market_alerts import EPISODE

S = 1_000_000
COLUMNS = {"A": 0, "B": 1}
NOBODY = np.zeros(2, dtype=np.bool_)


def wave(start_s: float, end_s: float | None = None, direction: int = -1) -> Wave:
    end_us = None if end_s is None else round(end_s * S)
    episode = replace(EPISODE, start_us=round(start_s * S), end_us=end_us)
    return Wave(f"MARKET-{start_s:g}", episode, direction, NOBODY, NOBODY)


def alert(
    start_s: int, symbol: str = "A", *, status: str = "open", revision: int = 0
) -> pl.DataFrame:
    row = {
        "alert_id": f"{symbol}-{start_s}",
        "symbol": symbol,
        "scope": "idiosyncratic",
        "status": status,
        "threshold": 6.0,
        "revision": revision,
    }
    frame = pl.DataFrame([row], schema=ALERTS)
    return frame.with_columns(start_time=pl.Series([start_s * S]).cast(TIME))


def decide(
    state: Folding, second: int, *waves: Wave, score: float = -9.0, residual: float = -1.0
) -> list[tuple[str, str, str, int]]:
    """Take the step that ends at `second`, the same for both symbols; return what is folded."""
    told = state.decide(
        np.array([second * S]),
        np.full((1, 2), score),
        np.full((1, 2), residual),
        COLUMNS,
        waves,
    )
    return facts(told)


def facts(alerts: pl.DataFrame) -> list[tuple[str, str, str, int]]:
    return alerts.select("alert_id", "scope", "parent_id", "revision").rows()


def undecided(*alerts: pl.DataFrame) -> Folding:
    state = Folding(10 * S)
    for one in alerts:
        assert facts(state.tell(one)) == facts(one)
    return state


FOLDED = [("A-20", "market", "MARKET-20", 1)]


def test_alert_that_starts_with_the_market_is_part_of_it() -> None:
    assert decide(undecided(alert(20)), 20, wave(20)) == FOLDED


@pytest.mark.parametrize(
    ("market", "is_part"),
    [
        ((10.0, 10.0), True),  # it ended ten seconds before
        ((9.0, 9.999999), False),
        ((9.0, 10.0), True),
        ((1.0, None), True),  # it has been open for long
    ],
)
def test_alert_after_the_start_of_the_market(
    market: tuple[float, float | None],
    is_part: bool,  # noqa: FBT001
) -> None:
    assert bool(decide(undecided(alert(20)), 20, wave(*market))) is is_part


@pytest.mark.parametrize(("market_s", "is_part"), [(30.0, True), (30.000001, False)])
def test_alert_before_the_start_of_the_market(
    market_s: float,
    is_part: bool,  # noqa: FBT001
) -> None:
    state = undecided(alert(20))
    assert decide(state, 20) == []
    assert bool(decide(state, 30, wave(market_s))) is is_part


def test_alert_that_nothing_followed_within_ten_seconds_stays_its_own() -> None:
    state = undecided(alert(20))
    decide(state, 20)
    decide(state, 30)
    assert decide(state, 31, wave(25)) == []


@pytest.mark.parametrize("residual", [6.0, -6.0, np.nan])
def test_alert_that_is_high_beyond_the_market_is_its_own(residual: float) -> None:
    assert decide(undecided(alert(20)), 20, wave(20), residual=residual) == []


@pytest.mark.parametrize("residual", [5.99, -5.99])
def test_alert_that_is_not_high_beyond_the_market_is_part_of_it(residual: float) -> None:
    assert decide(undecided(alert(20)), 20, wave(20), residual=residual) == FOLDED


def test_alert_the_other_way_is_its_own() -> None:
    assert decide(undecided(alert(20)), 20, wave(20, direction=1)) == []
    assert decide(undecided(alert(20)), 20, wave(20, direction=1), score=9.0) == FOLDED


def test_alert_is_judged_by_how_it_started() -> None:
    state = undecided(alert(20))
    decide(state, 20)
    assert decide(state, 21, wave(20), score=9.0, residual=9.0) == FOLDED


def test_alert_of_a_step_that_was_taken_is_its_own() -> None:
    state = undecided()
    decide(state, 20, wave(20))
    state.tell(alert(20))
    assert decide(state, 21, wave(20)) == []


def test_alert_of_a_step_that_still_waits_is_decided_when_it_is_taken() -> None:
    state = undecided(alert(21))
    assert decide(state, 20, wave(20)) == []
    assert decide(state, 21, wave(20)) == [("A-21", "market", "MARKET-20", 1)]


def test_alert_of_a_step_its_symbol_did_not_tell_is_its_own() -> None:
    state = undecided(alert(20))
    assert decide(state, 21, wave(20)) == []
    assert decide(state, 22, wave(20)) == []


def test_first_of_two_market_episodes_is_the_parent() -> None:
    assert decide(undecided(alert(20)), 20, wave(5, 12), wave(20))[0][2] == "MARKET-5"


def test_what_is_told_later_of_a_folded_alert_is_marked_too() -> None:
    state = undecided(alert(20))
    decide(state, 20, wave(20))
    told = state.tell(alert(20, status="closed", revision=3))
    assert facts(told) == [("A-20", "market", "MARKET-20", 4)]
    assert told["status"].item() == "closed"


def test_alert_that_rose_before_it_was_folded_is_told_in_its_newest_state() -> None:
    state = undecided(alert(20), alert(20, revision=2))
    assert decide(state, 20, wave(20)) == [("A-20", "market", "MARKET-20", 3)]


def test_two_symbols_are_judged_each_by_itself() -> None:
    state = undecided(alert(20), alert(20, "B"))
    told = state.decide(
        np.array([20 * S]), np.full((1, 2), -9.0), np.array([[7.0, 1.0]]), COLUMNS, [wave(20)]
    )
    assert told["alert_id"].to_list() == ["B-20"]


def test_folded_alerts_beyond_the_bound_are_forgotten_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folding, "MAX_FOLDED", 1)
    state = undecided(alert(20), alert(20, "B"))
    assert len(decide(state, 20, wave(20))) == 2
    assert state.tell(alert(20, revision=1))["scope"].item() == "idiosyncratic"
    assert state.tell(alert(20, "B", revision=1))["scope"].item() == "market"
