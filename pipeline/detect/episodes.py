"""Scores -> episodes: one alert from the first high score until the score has stayed low."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.detect.thresholds import Thresholds, severity_of, thresholds_of
from pipeline.marks import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.detect.config import EpisodesConfig
    from pipeline.detect.protocol import Scores


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch of unusual returns. Times are the ends of the samples' grid steps."""

    symbol: str
    severity: str
    start_us: int
    end_us: int | None  # null while open
    peak_us: int
    peak_score: float
    threshold: float  # the score that was enough to start it
    move_bp: float  # the return of the peak, and what it was judged by
    direction: int
    horizon_us: int | None  # this and the window null where every trade is a sample
    samples: int
    window_start_us: int | None
    window_end_us: int | None
    revision: int


# The facts of an open episode as they are kept: whole numbers, behind the watch's, and others.
_MARKS = 3
_TIMES = (
    "start_us",
    "peak_us",
    "direction",
    "horizon_us",
    "samples",
    "window_start_us",
    "window_end_us",
    "revision",
)
_FIGURES = ("peak_score", "move_bp")
_THRESHOLDS = ("enter", "exit", "major", "critical")


@dataclass(slots=True)
class _Watch:
    """Where one symbol stands."""

    episode: Episode | None = None
    thresholds: Thresholds | None = None  # of the open episode
    calm_since_us: int | None = None
    quiet_until_us: int | None = None
    scored_us: int | None = None  # the newest row of the open episode with a score


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """What episodes are made of, row by row."""

    symbol_index: NDArray[np.int32]
    end_us: NDArray[np.int64]  # of the grid step
    scores: Scores
    in_force: NDArray[np.float64]  # by row: the minor, major and critical threshold


class Episodes:
    """The episodes of a shard: enter, escalate, hold, end, cool down.

    An episode starts at the minor threshold in force, with a tested return of `min_move_bp`,
    outside a cool-down; its severity only rises; it ends once the score was below `exit` for
    `hold`. A sample without a score is neither high nor low, and starts none. Once there was no
    score for longer than `hold` and a price holds, nobody knows: the episode ended with its newest
    score. Thresholds do not change while an episode is open.

    Args:
        symbols: In index order.
        configs: Symbol by symbol.
        every_us: The grid step; null where every trade is a sample.
        forward_fill_us: How long a price stays valid without a trade.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        configs: Sequence[EpisodesConfig],
        *,
        every_us: int | None,
        forward_fill_us: int,
    ) -> None:
        self._symbols = symbols
        self._configs = configs
        self._every_us = every_us
        self._forward_fill_us = forward_fill_us
        self._watches = [_Watch() for _ in symbols]
        self.started = np.zeros(len(symbols), dtype=np.int64)

    def push(self, rows: ScoredRows) -> list[Episode]:
        """Advance by rows in time order for each symbol; return what started, rose or ended.

        An episode that changes more than once in one push is returned in its last state.
        """
        high = rows.scores.score >= rows.in_force[:, 0]
        open_now = np.array([watch.episode is not None for watch in self._watches])
        active = np.unique(rows.symbol_index[high | open_now[rows.symbol_index]])
        changed: dict[tuple[str, int], Episode] = {}
        for index in active:
            mine = np.flatnonzero(rows.symbol_index == index)
            for episode in self._walk(int(index), mine, high[mine], rows):
                changed[episode.symbol, episode.start_us] = episode
        return list(changed.values())

    def retune(self, configs: Sequence[EpisodesConfig]) -> None:
        """Take other rules; an open episode keeps the thresholds it started under."""
        self._configs = configs

    def open_episode(self, index: int) -> Episode | None:
        """Return the open episode of a symbol."""
        return self._watches[index].episode

    def number(self, index: int, revision: int) -> None:
        """Set the revision of a symbol's open episode."""
        watch = self._watches[index]
        assert watch.episode is not None  # noqa: S101 - it is said to be open
        watch.episode = replace(watch.episode, revision=revision)

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return where a symbol stands: whether an episode is open, and its facts."""
        watch = self._watches[index]
        times = [watch.calm_since_us, watch.quiet_until_us, watch.scored_us]
        figures: list[float] = []
        if watch.episode is not None:
            times += [getattr(watch.episode, name) for name in _TIMES]
            figures = [getattr(watch.episode, name) for name in _FIGURES]
            figures += [getattr(watch.thresholds, name) for name in _THRESHOLDS]
        return {
            "started": self.started[index : index + 1].copy(),
            "times": np.array([NEVER if time is None else time for time in times], dtype=np.int64),
            "figures": np.array(figures, dtype=np.float64),
        }

    def restore(self, index: int, held: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from a snapshot."""
        self.started[index] = held["started"][0]
        times = [None if time == NEVER else time for time in held["times"].tolist()]
        watch = self._watches[index] = _Watch(None, None, *times[:_MARKS])
        figures = held["figures"].tolist()
        if figures:
            facts: dict[str, Any] = dict(zip(_TIMES, times[_MARKS:], strict=True))
            facts |= zip(_FIGURES, figures[: len(_FIGURES)], strict=True)
            watch.thresholds = Thresholds(*figures[len(_FIGURES) :])
            severity = severity_of(facts["peak_score"], watch.thresholds)
            watch.episode = Episode(
                symbol=self._symbols[index],
                severity=severity,
                end_us=None,
                threshold=watch.thresholds.enter,
                **facts,
            )

    def _walk(
        self, index: int, mine: NDArray[np.intp], high: NDArray[np.bool_], rows: ScoredRows
    ) -> Iterator[Episode]:
        """Visit the rows that can change anything: all while an episode is open, else the high."""
        watch = self._watches[index]
        at = 0
        while at < len(mine):
            change = self._lapse(index, int(rows.end_us[mine[at]]))
            if change is not None:
                yield change
            if watch.episode is None:
                ahead = np.flatnonzero(high[at:])
                if not len(ahead):
                    return
                at += int(ahead[0])
                change = self._start(index, int(mine[at]), rows)
            else:
                change = self._continue(index, int(mine[at]), rows)
            if change is not None:
                yield change
            at += 1

    def _start(self, index: int, row: int, rows: ScoredRows) -> Episode | None:
        watch, config, scores = self._watches[index], self._configs[index], rows.scores
        now_us = int(rows.end_us[row])
        cooling = watch.quiet_until_us is not None and now_us < watch.quiet_until_us
        if cooling or abs(scores.move_bp[row]) < config.min_move_bp:
            return None
        watch.thresholds = thresholds_of(config, rows.in_force[row])
        watch.episode = Episode(
            symbol=self._symbols[index],
            severity=severity_of(float(scores.score[row]), watch.thresholds),
            start_us=now_us,
            end_us=None,
            threshold=watch.thresholds.enter,
            revision=0,
            **peak_facts(scores, row, now_us, self._every_us),
        )
        watch.calm_since_us, watch.scored_us = None, now_us
        self.started[index] += 1
        return watch.episode

    def _continue(self, index: int, row: int, rows: ScoredRows) -> Episode | None:
        watch, config = self._watches[index], self._configs[index]
        episode, thresholds = watch.episode, watch.thresholds
        assert episode is not None  # noqa: S101 - `_walk` comes here only while one is open
        assert thresholds is not None  # noqa: S101 - as above
        now_us, score = int(rows.end_us[row]), float(rows.scores.score[row])
        if np.isnan(score):
            return None
        watch.scored_us = now_us
        if score > episode.peak_score:
            watch.episode = replace(
                episode,
                severity=severity_of(score, thresholds),
                revision=episode.revision + 1,
                **peak_facts(rows.scores, row, now_us, self._every_us),
            )
        if score >= thresholds.exit:
            watch.calm_since_us = None
        else:
            watch.calm_since_us = now_us if watch.calm_since_us is None else watch.calm_since_us
            if now_us - watch.calm_since_us >= config.hold:
                return self._end(index, now_us)
        return watch.episode if watch.episode is not episode else None

    def _lapse(self, index: int, now_us: int) -> Episode | None:
        """End an episode that nothing was known of for too long."""
        watch = self._watches[index]
        if watch.episode is None or watch.scored_us is None:
            return None
        if now_us - watch.scored_us <= max(self._configs[index].hold, self._forward_fill_us):
            return None
        return self._end(index, watch.scored_us)

    def _end(self, index: int, end_us: int) -> Episode:
        watch = self._watches[index]
        episode = watch.episode
        assert episode is not None  # noqa: S101 - whoever calls has looked
        # At least until the next microsecond: an episode is known by its start.
        quiet_until_us = end_us + max(self._configs[index].cool_down, 1)
        watch.episode = watch.thresholds = watch.calm_since_us = watch.scored_us = None
        watch.quiet_until_us = quiet_until_us
        return replace(episode, end_us=end_us, revision=episode.revision + 1)


def peak_facts(scores: Scores, row: int, now_us: int, every_us: int | None) -> dict[str, Any]:
    """Return what an episode says of its peak: the score, the return, and what that was judged by.

    Args:
        scores: Of rows.
        row: That of the peak.
        now_us: When its grid step ends.
        every_us: The grid step; null where every trade is a sample.
    """
    horizon_us = window_start_us = window_end_us = None
    if every_us is not None:
        horizon_us = int(scores.horizon_steps[row]) * every_us
        window_end_us = now_us - horizon_us
        window_start_us = window_end_us - int(scores.window_steps[row]) * every_us
    return {
        "peak_us": now_us,
        "peak_score": float(scores.score[row]),
        "move_bp": float(scores.move_bp[row]),
        "direction": int(scores.direction[row]),
        "horizon_us": horizon_us,
        "samples": int(scores.samples[row]),
        "window_start_us": window_start_us,
        "window_end_us": window_end_us,
    }


def open_since_us(held: Mapping[str, NDArray[np.generic]]) -> int | None:
    """Return when the episode started that was open in a snapshot of a symbol."""
    times: list[int] = held["times"].tolist()
    return times[_MARKS] if len(times) > _MARKS else None
