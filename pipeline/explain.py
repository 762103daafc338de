"""An alert recomputed from recorded bars: the same detector on the same samples, and its numbers.

The rows go through the detector as they were published, from the first one on. A window knows only
what is in it, so the score does not depend on where the rows begin, if they reach far enough back.
What remembers longer is the stretch of a thin symbol: only all of its rows are sure to repeat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.detect.alerts import PEAK_COLUMNS, alerts_frame
from pipeline.detect.config import MultiHorizonConfig, ZScoreConfig
from pipeline.detect.episodes import Episode, peak_facts
from pipeline.detect.multi_horizon import judged_horizons
from pipeline.detect.registry import detector_of
from pipeline.detect.zscore import judged_return
from pipeline.errors import ReplayError
from pipeline.times import microseconds
from pipeline.windows import Samples, Windows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl
    from numpy.typing import NDArray

    from pipeline.config import Config
    from pipeline.detect.multi_horizon import JudgedHorizon
    from pipeline.detect.zscore import JudgedReturn


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why there was an alert.

    Attributes:
        alert: The ALERTS row.
        enter: The score that was enough to start it.
        bars: How many it was recomputed from.
        first_bar: The open time of the first of them.
        start_score: Recomputed, at its start.
        peak_score: Recomputed, at its peak; NaN where the bars do not reach far enough back.
        peak_close: The price there.
        differences: What of the peak was recorded otherwise, by its column of ALERTS: as it was
            recorded, as it was recomputed.
        horizons: Of `multi_horizon`, what `peak_score` is the largest of, from short to long.
        of_zscore: Of `zscore`, what `peak_score` is made of.
    """

    alert: Mapping[str, Any]
    enter: float
    bars: int
    first_bar: datetime
    start_score: float
    peak_score: float
    peak_close: float
    differences: Mapping[str, tuple[Any, Any]]
    horizons: tuple[JudgedHorizon, ...] = ()
    of_zscore: JudgedReturn | None = None

    @property
    def same(self) -> bool:
        """Whether the recomputed peak is the recorded one, to the bit."""
        return not self.differences


def explain(alert: Mapping[str, Any], bars: pl.DataFrame, config: Config) -> Explanation:
    """Recompute an alert.

    Args:
        alert: An ALERTS row.
        bars: BARS as they were published, of its symbol alone, in time order.
        config: That of the run.

    Raises:
        ReplayError: The bars do not hold the start and the peak.
    """
    symbol, step_us = alert["symbol"], config.sampling.step_us
    end_us = bars["open_time"].to_physical().to_numpy() + (step_us or 0)
    start, peak = (_row_at(alert, moment, end_us) for moment in ("start_time", "peak_time"))
    own = config.detector_of(symbol)
    samples = _samples(bars, end_us)
    detector = detector_of([own], config.plugins, config.sampling)
    windows = Windows(detector.sums(), trims=detector.trims, timed=step_us is None)
    columns = windows.push(samples)
    scores = detector.score(samples, columns, 0)
    parts: dict[str, Any] = {}
    if isinstance(own, MultiHorizonConfig) and step_us is not None:
        fill_us = config.sampling.forward_fill
        parts["horizons"] = judged_horizons(
            own, samples, peak, every_us=step_us, forward_fill_us=fill_us
        )
    if isinstance(own, ZScoreConfig) and not np.isnan(scores.score[peak]):
        parts["of_zscore"] = judged_return(columns, peak)
    return Explanation(
        alert=alert,
        enter=alert["threshold"],
        bars=len(end_us),
        first_bar=bars["open_time"][0],
        start_score=float(scores.score[start]),
        peak_score=float(scores.score[peak]),
        peak_close=float(samples.close[peak]),
        differences=_differences(alert, peak_facts(scores, peak, int(end_us[peak]), step_us)),
        **parts,
    )


def _row_at(alert: Mapping[str, Any], moment: str, end_us: NDArray[np.int64]) -> int:
    """Return which bar ended at a moment of an alert."""
    row = int(np.searchsorted(end_us, microseconds(alert[moment])))
    if row == len(end_us) or end_us[row] != microseconds(alert[moment]):
        raise ReplayError(
            f"{alert['alert_id']}: expected the bar that ended at its {moment}, {alert[moment]}; "
            f"the {len(end_us):,} bars of {alert['symbol']} there are do not have it"
        )
    return row


def _differences(alert: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    episode = Episode(
        symbol=alert["symbol"],
        severity=alert["severity"],
        start_us=microseconds(alert["start_time"]),
        end_us=None,
        threshold=alert["threshold"],
        revision=alert["revision"],
        **facts,
    )
    again = alerts_frame([episode], alert["detector"]).row(0, named=True)
    return {name: (alert[name], again[name]) for name in PEAK_COLUMNS if alert[name] != again[name]}


def _samples(bars: pl.DataFrame, end_us: NDArray[np.int64]) -> Samples:
    """Return the samples that were made of bars."""
    return Samples(
        symbol_index=np.zeros(len(end_us), dtype=np.int32),
        time_us=end_us,
        # A column may be the memory of a frame, which compiled loops do not take.
        close=bars["close"].fill_null(float("nan")).to_numpy(writable=True),
        complete=bars["complete"].to_numpy(writable=True),
        trades=bars["trades"].fill_null(-1).to_numpy(writable=True),
    )
