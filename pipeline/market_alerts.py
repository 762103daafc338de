"""The market's episodes as alerts: each says how many of how many symbols are in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.detect.alerts import alerts_frame
from pipeline.schema import ALERTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.detect.episodes import Episode
    from pipeline.market_series import MarketRows


_NO_ALERTS = ALERTS.to_frame()


@dataclass(slots=True)
class Wave:
    """An episode of the market, and who is in it.

    Attributes:
        alert_id: Of its alert.
        episode: In its last state.
        direction: The way it started.
        exceeding: By symbol, whether its score reached its threshold that way.
        scored: By symbol, whether it had a score.
        grown: Steps since the start at which either became more.
    """

    alert_id: str
    episode: Episode
    direction: int
    exceeding: NDArray[np.bool_]
    scored: NDArray[np.bool_]
    grown: int = 0

    def covers(self, start_us: int, within_us: int) -> bool:
        """Tell whether a time is in the episode, or so close to it; both ends inclusive."""
        first_us, end_us = self.episode.start_us, self.episode.end_us
        return first_us - within_us <= start_us and (
            end_us is None or start_us <= end_us + within_us
        )


class MarketAlerts:
    """The market's episodes of late, and the alerts that tell of them.

    A symbol is in an episode when its score reached its own threshold the way the episode started,
    at any step from `within_us` before the start on.

    Args:
        detector: Its name.
        within_us: How long before an episode its symbols may start.

    Attributes:
        waves: The open one, and those that ended so short a while ago; oldest first.
    """

    def __init__(self, detector: str, within_us: int) -> None:
        self._detector = detector
        self._within_us = within_us
        self._recent_us = np.empty(0, dtype=np.int64)
        self._recent = np.empty((0, 0))
        self.waves: list[Wave] = []

    def push(
        self, rows: MarketRows, scores: NDArray[np.float64], enter: NDArray[np.float64]
    ) -> pl.DataFrame:
        """Return ALERTS of the episodes that started, changed or ended with some steps.

        Args:
            rows: What the market does, step by step.
            scores: Of the symbols, signed, row for row.
            enter: Of each symbol, the score it must reach.
        """
        new_us = int(rows.end_us[0])  # steps from here on are new
        times_us, scores = self._with_recent(rows.end_us, scores)
        self.waves = [wave for wave in self.waves if wave.covers(new_us, self._within_us)]
        changed = {self._wave_of(episode, rows, scores.shape[1]) for episode in rows.episodes}
        for at, wave in enumerate(self.waves):
            if self._count(wave, times_us, scores, enter, new_us):
                changed.add(at)
        return self._alerts([self.waves[at] for at in sorted(changed)]) if changed else _NO_ALERTS

    def _wave_of(self, episode: Episode, rows: MarketRows, symbols: int) -> int:
        """Take in an episode in its newest state; return its place."""
        for at, wave in enumerate(self.waves):
            if wave.episode.start_us == episode.start_us:
                wave.episode = episode
                return at
        # The direction of an episode is that of its peak, which may be another one by now.
        row = int(np.searchsorted(rows.end_us, episode.start_us))
        name = alerts_frame([episode], self._detector)["alert_id"][0]
        nobody = np.zeros((2, symbols), dtype=np.bool_)
        self.waves.append(Wave(name, episode, int(rows.direction[row]), *nobody))
        return len(self.waves) - 1

    def _count(
        self,
        wave: Wave,
        times_us: NDArray[np.int64],
        scores: NDArray[np.float64],
        enter: NDArray[np.float64],
        new_us: int,
    ) -> bool:
        """Count who is in an episode; return whether there are more than before."""
        start_us, end_us = wave.episode.start_us, wave.episode.end_us
        since_us = start_us - self._within_us if start_us >= new_us else new_us
        grown = wave.grown
        wave.exceeding, wave.scored = (
            np.append(mask, np.zeros(scores.shape[1] - len(mask), dtype=np.bool_))
            for mask in (wave.exceeding, wave.scored)
        )
        until_us = times_us[-1] if end_us is None else end_us
        for row in np.flatnonzero((times_us >= since_us) & (times_us <= until_us)).tolist():
            own = scores[row] * wave.direction
            exceeding, scored = wave.exceeding | (own >= enter), wave.scored | ~np.isnan(own)
            more = (exceeding & ~wave.exceeding).any() or (scored & ~wave.scored).any()
            wave.grown += bool(more) and times_us[row] > start_us
            wave.exceeding, wave.scored = exceeding, scored
        return wave.grown > grown

    def _with_recent(
        self, end_us: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return steps after those of late; an episode looks back on them."""
        more = scores.shape[1] - self._recent.shape[1]
        recent = np.pad(self._recent, ((0, 0), (0, more)), constant_values=np.nan)
        times_us = np.concatenate([self._recent_us, end_us])
        scores = np.concatenate([recent, scores])
        kept = times_us >= int(end_us[-1]) - self._within_us
        self._recent_us, self._recent = times_us[kept], scores[kept]
        return times_us, scores

    def _alerts(self, waves: Sequence[Wave]) -> pl.DataFrame:
        frame = alerts_frame([wave.episode for wave in waves], self._detector)
        grown = pl.Series([wave.grown for wave in waves], dtype=pl.Int32)
        return frame.with_columns(
            scope=pl.lit("market"),
            revision=frame["revision"] + grown,
            exceeding=pl.Series([int(wave.exceeding.sum()) for wave in waves], dtype=pl.Int32),
            members=pl.Series([int(wave.scored.sum()) for wave in waves], dtype=pl.Int32),
        ).select(ALERTS.names())
