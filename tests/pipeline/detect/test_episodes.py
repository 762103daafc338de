from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.alerts import alerts_frame
from pipeline.detect.config import EpisodesConfig
from pipeline.detect.episodes import Episode, Episodes, ScoredRows, open_since_us
from pipeline.detect.protocol import Scores
from pipeline.detect.thresholds import Thresholds, severity_of
from pipeline.schema import ALERTS

S = 1_000_000
NAN = float("nan")

Held = dict[str, NDArray[np.generic]]

CONFIG = EpisodesConfig(enter=6.0, exit=3.0, hold="3s", cool_down="5s", min_move_bp=5.0)


def rows(*scores: float, start_s: int = 100, move_bp: float = 20.0, symbol: int = 0) -> ScoredRows:
    """One row a second; every move is of `move_bp`."""
    count = len(scores)
    return ScoredRows(
        symbol_index=np.full(count, symbol, dtype=np.int32),
        end_us=(start_s + np.arange(count)) * S,
        scores=Scores(
            score=np.array(scores),
            direction=np.full(count, np.sign(move_bp), dtype=np.int8),
            move_bp=np.full(count, move_bp),
            horizon_steps=np.full(count, 1),
            samples=np.full(count, 120),
            window_steps=np.full(count, 120),
        ),
        in_force=np.tile([6.0, 8.0, 12.0], (count, 1)),
    )


def with_thresholds(given: ScoredRows, *in_force: tuple[float, float, float]) -> ScoredRows:
    """Rows that meet thresholds: minor, major, critical."""
    return replace(given, in_force=np.array(in_force))


def episodes(symbols: int = 1) -> Episodes:
    names = [f"S{at}" for at in range(symbols)]
    return Episodes(names, [CONFIG] * symbols, every_us=S, forward_fill_us=10 * S)


def summary(episode: Episode) -> tuple[int, int | None, float, str, int]:
    end_s = None if episode.end_us is None else episode.end_us // S
    return episode.start_us // S, end_s, episode.peak_score, episode.severity, episode.revision


def same(one: Held, other: Held) -> bool:
    return {name: value.tobytes() for name, value in one.items()} == {
        name: value.tobytes() for name, value in other.items()
    }


def test_episode_starts_at_enter_and_tells_what_judged_it() -> None:
    (episode,) = episodes().push(rows(5.9, 6.0))
    assert episode == Episode(
        symbol="S0",
        severity="minor",
        start_us=101 * S,
        end_us=None,
        peak_us=101 * S,
        peak_score=6.0,
        threshold=6.0,
        move_bp=20.0,
        direction=1,
        horizon_us=S,
        samples=120,
        window_start_us=-20 * S,
        window_end_us=100 * S,
        revision=0,
    )


def test_episode_rises_with_its_peak_and_its_severity_never_falls() -> None:
    watch = episodes()
    watch.push(rows(6.0))
    (risen,) = watch.push(rows(9.0, 7.0, start_s=101))
    assert summary(risen) == (100, None, 9.0, "major", 1)
    assert watch.push(rows(8.0, 3.1, start_s=103)) == []
    (higher,) = watch.push(rows(12.0, start_s=105))
    assert summary(higher) == (100, None, 12.0, "critical", 2)


def judged(
    score: float, at_s: int, *, move_bp: float, horizon: int, samples: int, window: int
) -> ScoredRows:
    """One row, with all that it is judged by."""
    numbers = [np.array([value]) for value in (horizon, samples, window)]
    sign = np.array([np.sign(move_bp)], dtype=np.int8)
    return replace(
        rows(score, start_s=at_s),
        scores=Scores(np.array([score]), sign, np.array([move_bp]), *numbers),
    )


def test_all_that_an_episode_says_of_its_peak_is_of_its_highest_score() -> None:
    watch = episodes()
    watch.push(judged(6.5, 1000, move_bp=20.0, horizon=5, samples=300, window=300))
    # A lower score, whatever it is of, changes nothing.
    lower = judged(6.5, 1001, move_bp=-90.0, horizon=30, samples=1, window=7)
    assert watch.push(lower) == []
    higher = judged(9.0, 1002, move_bp=-35.0, horizon=15, samples=280, window=600)
    (risen,) = watch.push(higher)
    assert (risen.start_us, risen.peak_us, risen.peak_score) == (1000 * S, 1002 * S, 9.0)
    assert (risen.move_bp, risen.direction, risen.horizon_us) == (-35.0, -1, 15 * S)
    assert (risen.samples, risen.window_start_us, risen.window_end_us) == (280, 387 * S, 987 * S)
    other = episodes()
    other.restore(0, watch.snapshot(0))
    assert other.open_episode(0) == risen


def test_episode_ends_once_the_score_stayed_below_exit_for_the_hold() -> None:
    watch = episodes()
    watch.push(rows(6.0, 2.0, 2.0, 2.0))
    (ended,) = watch.push(rows(2.0, start_s=104))
    assert summary(ended) == (100, 104, 6.0, "minor", 1)


def test_episode_whose_score_comes_back_within_the_hold_goes_on() -> None:
    watch = episodes()
    watch.push(rows(6.0, 2.0, 2.0, 4.0, 2.0, 2.0, 2.0))
    (ended,) = watch.push(rows(2.0, start_s=107))
    assert summary(ended) == (100, 107, 6.0, "minor", 1)


def test_episode_keeps_open_without_a_score_while_a_price_holds() -> None:
    watch = episodes()
    watch.push(rows(6.0, *[NAN] * 10))
    assert watch.push(rows(2.0, NAN, NAN, start_s=110)) == []
    assert watch.push(rows(2.0, start_s=112)) == []
    assert [summary(e)[1] for e in watch.push(rows(2.0, start_s=113))] == [113]


def test_episode_of_which_nothing_is_known_for_longer_ended_with_its_newest_score() -> None:
    watch = episodes()
    watch.push(rows(6.0, 7.0, 5.0, *[NAN] * 10))
    (ended,) = watch.push(rows(NAN, start_s=113))
    assert summary(ended) == (100, 102, 7.0, "minor", 2)
    assert watch.push(rows(*[NAN] * 20, start_s=114)) == []
    # Its cool-down is over since 107.
    assert [summary(e)[0] for e in watch.push(rows(6.0, start_s=134))] == [134]


def test_episode_outlasts_what_is_not_known_for_as_long_as_its_hold() -> None:
    patient = Episodes(["S0"], [CONFIG], every_us=S, forward_fill_us=2 * S)
    patient.push(rows(6.0, NAN, NAN))
    assert patient.push(rows(NAN, start_s=103)) == []
    assert [summary(e)[1] for e in patient.push(rows(NAN, start_s=104))] == [100]


def test_episode_after_an_outage_without_rows_is_another_one() -> None:
    watch = episodes()
    watch.push(rows(6.0, 4.0))
    ended, other = watch.push(rows(9.0, start_s=112))
    assert summary(ended) == (100, 101, 6.0, "minor", 1)
    assert summary(other) == (112, None, 9.0, "major", 0)
    assert watch.started.tolist() == [2]


def test_restored_episode_lapses_as_if_nothing_had_happened() -> None:
    scores = [6.0, 7.0, *[NAN] * 11, 6.0, NAN, 2.0, *[NAN] * 12]
    whole, expected = episodes(), []
    for at, value in enumerate(scores):
        expected.append(whole.push(rows(value, start_s=100 + at)))
    ends = [summary(e)[:2] for told in expected for e in told if e.end_us is not None]
    assert ends == [(100, 101), (113, 115)]
    for cut in range(len(scores)):
        watch = episodes()
        told = [watch.push(rows(value, start_s=100 + at)) for at, value in enumerate(scores[:cut])]
        held, watch = watch.snapshot(0), episodes()
        watch.restore(0, held)
        assert open_since_us(held) in {None, 100 * S, 113 * S}
        assert same(watch.snapshot(0), held)
        told += [
            watch.push(rows(value, start_s=100 + at))
            for at, value in enumerate(scores[cut:], start=cut)
        ]
        assert told == expected


def test_no_episode_starts_in_a_cool_down() -> None:
    watch = episodes()
    watch.push(rows(6.0, 2.0, 2.0, 2.0, 2.0))  # ends at 104
    assert watch.push(rows(20.0, 20.0, 20.0, 20.0, start_s=105)) == []
    assert [summary(e)[0] for e in watch.push(rows(6.0, start_s=109))] == [109]


def test_no_episode_starts_with_a_move_below_the_minimum() -> None:
    watch = episodes()
    assert watch.push(rows(50.0, move_bp=4.9)) == []
    assert len(watch.push(rows(6.0, move_bp=-5.1, start_s=101))) == 1


def test_episode_that_starts_and_ends_in_one_push_is_told_once() -> None:
    (only,) = episodes().push(rows(6.0, 7.0, 2.0, 2.0, 2.0, 2.0))
    assert summary(only) == (100, 105, 7.0, "minor", 2)


def test_episodes_of_two_symbols_do_not_touch() -> None:
    watch = episodes(2)
    watch.push(rows(6.0, symbol=1))
    assert watch.push(rows(4.0, start_s=101)) == []
    assert watch.started.tolist() == [0, 1]


def test_restored_episode_goes_on_as_if_nothing_had_happened() -> None:
    scores = [6.0, 9.0, 2.0, 2.0, 4.0, 2.0, 2.0, float("nan"), 2.0, 2.0, 20.0, 7.0, 13.0, 1.0, 1.0]
    whole, expected = episodes(), []
    for at, value in enumerate(scores * 2):
        expected.append(whole.push(rows(value, start_s=100 + at)))
    assert [summary(e) for told in expected for e in told][-1] == (115, 123, 9.0, "major", 2)
    for cut in range(len(expected) + 1):
        watch, told = episodes(), []
        for at, value in enumerate(scores * 2):
            if at == cut:
                held, watch = watch.snapshot(0), episodes()
                watch.restore(0, held)
                assert same(watch.snapshot(0), held)
            told.append(watch.push(rows(value, start_s=100 + at)))
        assert told == expected
        assert watch.started.tolist() == whole.started.tolist()
        assert same(watch.snapshot(0), whole.snapshot(0))


def test_restored_cool_down_still_quiets() -> None:
    watch, other = episodes(2), episodes(2)
    watch.push(rows(6.0, 2.0, 2.0, 2.0, 2.0, symbol=1))  # ends at 104
    other.restore(1, watch.snapshot(1))
    assert other.push(rows(20.0, start_s=108, symbol=1)) == []
    assert [summary(e)[0] for e in other.push(rows(6.0, start_s=109, symbol=1))] == [109]
    assert other.started.tolist() == [0, 2]


def test_restored_episode_of_trades_has_no_window() -> None:
    by_trade = [Episodes(["S0"], [CONFIG], every_us=None, forward_fill_us=10 * S) for _ in range(2)]
    (first,) = by_trade[0].push(rows(6.0))
    assert (first.horizon_us, first.window_start_us, first.window_end_us) == (None, None, None)
    by_trade[1].restore(0, by_trade[0].snapshot(0))
    (risen,) = by_trade[1].push(rows(9.0, start_s=101))
    assert (risen.horizon_us, risen.window_start_us, risen.window_end_us) == (None, None, None)
    assert (risen.start_us, risen.severity) == (100 * S, "major")


def test_restore_of_calm_ends_what_was_open() -> None:
    watch = episodes()
    calm = watch.snapshot(0)
    watch.push(rows(6.0))
    watch.restore(0, calm)
    assert watch.started.tolist() == [0]
    assert watch.push(rows(2.0, 2.0, 2.0, 2.0, start_s=101)) == []


def test_episode_starts_at_the_threshold_in_force_and_ends_below_its_share() -> None:
    watch = episodes()
    in_force = [(9.0, 10.0, 20.0)] * 7
    told = with_thresholds(rows(8.9, 9.0, 4.5, 4.49, 4.49, 4.49, 4.49), *in_force)
    (ended,) = watch.push(told)
    assert summary(ended) == (101, 106, 9.0, "minor", 1)


def test_episode_keeps_the_thresholds_it_started_with() -> None:
    watch = episodes()
    (started,) = watch.push(with_thresholds(rows(9.5), (9.0, 10.0, 20.0)))
    assert (started.severity, started.threshold) == ("minor", 9.0)
    before = watch.snapshot(0)
    for other in (watch, episodes()):
        other.restore(0, before)
        assert same(other.snapshot(0), before)
        (risen,) = other.push(with_thresholds(rows(10.0, start_s=101), (50.0, 60.0, 70.0)))
        assert summary(risen) == (100, None, 10.0, "major", 1)
        assert risen.threshold == 9.0
        low = rows(4.4, 4.4, 4.4, 4.4, start_s=102)
        (ended,) = other.push(with_thresholds(low, *[(2.0, 3.0, 4.0)] * 4))
        assert summary(ended) == (100, 105, 10.0, "major", 2)


def test_episode_that_starts_after_other_rules_were_taken_follows_them() -> None:
    watch = episodes()
    watch.push(rows(6.0))
    watch.retune([CONFIG.model_copy(update={"exit": 5.0, "hold": S, "cool_down": S})])
    # The open one ends below the exit of its start, but by the new hold.
    (ended,) = watch.push(rows(4.0, 2.9, 2.9, 6.0, 4.9, 4.9, start_s=101))[:1]
    assert (ended.start_us, ended.end_us) == (100 * S, 103 * S)
    other = episodes()
    other.retune([CONFIG.model_copy(update={"exit": 5.0, "hold": S})])
    (early,) = other.push(rows(6.0, 4.9, 4.9))
    assert early.end_us == 102 * S


def test_episode_under_the_fixed_thresholds_has_the_fixed_exit() -> None:
    # Seven times 3.3 / 7 is not 3.3.
    config = EpisodesConfig(enter=7.0, exit=3.3, hold="0s")
    watch = Episodes(["S0"], [config], every_us=S, forward_fill_us=10 * S)
    told = with_thresholds(rows(7.0, 3.3), *[(7.0, 8.0, 12.0)] * 2)
    assert summary(watch.push(told)[0]) == (100, None, 7.0, "minor", 0)


def test_severity_of_a_score_is_the_highest_name_reached() -> None:
    scores = (6.0, 7.99, 8.0, 11.99, 12.0, 99.0)
    thresholds = Thresholds(enter=6.0, exit=3.0, major=8.0, critical=12.0)
    assert [severity_of(score, thresholds) for score in scores] == [
        "minor", "minor", "major", "major", "critical", "critical",
    ]  # fmt: skip


def test_alerts_frame_names_symbol_detector_and_start() -> None:
    frame = alerts_frame(episodes().push(rows(6.0)), "zscore")
    assert frame.schema == ALERTS
    row = frame.row(0, named=True)
    assert row["alert_id"] == "S0-zscore-100000000"
    assert (row["status"], row["end_time"], row["kind"]) == ("open", None, "return")
    assert row["window_end"].timestamp() == 99
    assert row["horizon_s"] == 1.0


def test_alerts_frame_of_nothing_has_the_schema() -> None:
    assert alerts_frame([], "zscore").schema == ALERTS
