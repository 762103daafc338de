from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from pipeline.detect.episodes import Episode
from pipeline.market_alerts import MarketAlerts
from pipeline.market_series import MarketRows
from pipeline.schema import ALERTS

S = 1_000_000
NAN = np.nan
ENTER = np.array([6.0, 6.0, 7.0])
EPISODE = Episode(
    symbol="MARKET",
    severity="minor",
    start_us=20 * S,
    end_us=None,
    peak_us=20 * S,
    peak_score=6.5,
    threshold=6.0,
    move_bp=-30.0,
    direction=-1,
    horizon_us=5 * S,
    samples=300,
    window_start_us=0,
    window_end_us=15 * S,
    revision=0,
)


def push(
    state: MarketAlerts,
    first: int,
    *scores: tuple[float, float, float],
    episodes: tuple[Episode, ...] = (),
    direction: int = -1,
) -> pl.DataFrame:
    """Steps that end at `first` s and each second after it."""
    count = len(scores)
    rows = MarketRows(
        end_us=(first + np.arange(count)) * S,
        log_return=np.zeros(count),
        close=np.ones(count),
        members=np.full(count, 3),
        score=np.zeros(count),
        direction=np.full(count, direction, dtype=np.int8),
        median=np.zeros(count),
        episodes=list(episodes),
    )
    return state.push(rows, np.array(scores), ENTER)


def facts(alerts: pl.DataFrame) -> list[tuple[object, ...]]:
    return alerts.select("status", "revision", "exceeding", "members").rows()


def alerts() -> MarketAlerts:
    return MarketAlerts("multi_horizon", 10 * S)


CALM = (0.0, 0.0, 0.0)


def test_alert_of_the_market_says_who_is_in_it() -> None:
    told = push(alerts(), 20, (-6.0, 6.0, NAN), episodes=(EPISODE,))
    assert told.schema == ALERTS
    assert told.select("alert_id", "symbol", "scope", "parent_id").row(0) == (
        f"MARKET-multi_horizon-{20 * S}",
        "MARKET",
        "market",
        None,
    )
    assert facts(told) == [("open", 0, 1, 2)]


def test_symbol_is_in_an_episode_from_ten_seconds_before_its_start_on() -> None:
    state = alerts()
    before = [(-9.0, NAN, NAN), (NAN, -6.0, NAN), *[(NAN, NAN, NAN)] * 9]
    assert push(state, 9, *before).is_empty()  # 9 s to 19 s
    assert facts(push(state, 20, (NAN, NAN, -6.9), episodes=(EPISODE,))) == [("open", 0, 1, 2)]


def test_alert_is_told_again_when_more_symbols_are_in_it() -> None:
    state = alerts()
    push(state, 20, (-6.0, 0.0, 0.0), episodes=(EPISODE,))
    assert push(state, 21, (-9.0, -5.9, -6.9)).is_empty()
    assert facts(push(state, 22, (0.0, -6.0, 0.0))) == [("open", 1, 2, 3)]
    assert facts(push(state, 23, (0.0, 0.0, -7.0))) == [("open", 2, 3, 3)]


def test_revision_counts_changes_of_the_episode_and_of_its_breadth() -> None:
    state = alerts()
    push(state, 20, (-6.0, 0.0, 0.0), episodes=(EPISODE,))
    push(state, 21, (0.0, -6.0, 0.0))
    risen = replace(EPISODE, peak_score=9.0, severity="major", revision=1)
    told = push(state, 22, CALM, episodes=(risen,))
    assert told.select("severity", "revision").row(0) == ("major", 2)


def test_alert_is_the_same_however_steps_are_cut() -> None:
    scores = [(-6.0, 0.0, NAN), (0.0, -6.0, NAN), (0.0, 0.0, -7.0), CALM]
    ended = replace(EPISODE, end_us=23 * S, revision=1)
    at_once = push(alerts(), 20, *scores, episodes=(ended,))
    state = alerts()
    for at, score in enumerate(scores):
        changed = {0: (EPISODE,), 3: (ended,)}.get(at, ())
        one_by_one = push(state, 20 + at, score, episodes=changed)
    assert one_by_one.equals(at_once)
    assert facts(at_once) == [("closed", 3, 3, 3)]


def test_symbols_after_the_end_are_not_in_it() -> None:
    ended = replace(EPISODE, end_us=21 * S, revision=1)
    told = push(alerts(), 20, (-6.0, 0.0, NAN), CALM, (0.0, -6.0, 0.0), episodes=(ended,))
    assert facts(told) == [("closed", 2, 1, 3)]  # the third has a score from 21 s on


def test_direction_is_the_one_an_episode_started_with() -> None:
    state = alerts()
    turned = replace(EPISODE, direction=1, peak_score=9.0, revision=1)
    told = push(state, 20, (-6.0, 0.0, 0.0), (0.0, 9.0, 0.0), episodes=(turned,))
    assert facts(told) == [("open", 1, 1, 3)]
    assert [wave.direction for wave in state.waves] == [-1]


def test_two_episodes_of_one_push_are_two_alerts() -> None:
    first = replace(EPISODE, end_us=21 * S, revision=1)
    second = replace(EPISODE, start_us=22 * S)
    told = push(alerts(), 20, (-6.0, 0.0, 0.0), CALM, (0.0, -6.0, 0.0), episodes=(first, second))
    assert facts(told) == [("closed", 1, 1, 3), ("open", 0, 2, 3)]


def test_episode_is_forgotten_ten_seconds_after_its_end() -> None:
    state = alerts()
    push(state, 20, CALM, CALM, episodes=(replace(EPISODE, end_us=21 * S),))
    push(state, 31, CALM)
    assert len(state.waves) == 1
    push(state, 32, CALM)
    assert state.waves == []


def test_symbol_that_enters_during_an_episode_can_be_in_it() -> None:
    state = alerts()
    push(state, 20, (-6.0, 0.0, 0.0), episodes=(EPISODE,))
    wide = np.array([[0.0, 0.0, 0.0, -8.0]])
    rows = MarketRows(
        np.array([21 * S]), *([np.zeros(1)] * 4), np.array([-1], dtype=np.int8), np.zeros(1), []
    )
    assert facts(state.push(rows, wide, np.append(ENTER, 8.0))) == [("open", 1, 2, 4)]
