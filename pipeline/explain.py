"""An alert recomputed from recorded bars: the same detector on the same samples, and its numbers.

The rows go through the detector as they were published, from the first one on. A window knows only
what is in it, so the score does not depend on where the rows begin, if they reach far enough back.
What remembers longer is the stretch of a thin symbol: only all of its rows are sure to repeat it.

Alerts of the market are recomputed likewise, see `pipeline.explain_market`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.detect.alerts import PEAK_COLUMNS, alerts_frame
from pipeline.detect.config import MultiHorizonConfig, ZScoreConfig
from pipeline.detect.episodes import Episode, peak_facts
from pipeline.detect.multi_horizon import judged_horizons
from pipeline.detect.registry import detector_of
from pipeline.detect.zscore import judged_return
from pipeline.errors import ReplayError
from pipeline.times import microseconds, time_at
from pipeline.windows import Samples, Windows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl
    from numpy.typing import NDArray

    from pipeline.config import Config
    from pipeline.detect.config import DetectorConfig
    from pipeline.detect.multi_horizon import JudgedHorizon
    from pipeline.detect.zscore import JudgedReturn
    from pipeline.explain_market import Movers


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why there was an alert.

    Attributes:
        alert: The ALERTS row.
        enter: The score that was enough to start it.
        bars: How many it was recomputed from; steps of the market.
        first_bar: The open time of the first of them.
        start_score: Recomputed, at its start.
        peak_score: Recomputed, at its peak; NaN where the bars do not reach far enough back.
        peak_close: The price there, or the index.
        differences: What of the peak was recorded otherwise, by its column of ALERTS: as it was
            recorded, as it was recomputed.
        horizons: Of `multi_horizon`, what `peak_score` is the largest of, from short to long.
        of_zscore: Of `zscore`, what `peak_score` is made of.
        movers: Of an alert of the market, what its symbols did.
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
    movers: Movers | None = None

    @property
    def same(self) -> bool:
        """Whether the recomputed peak is the recorded one, to the bit."""
        return not self.differences


class Recorded(NamedTuple):
    """What a detector was fed with, and which of it was told.

    Attributes:
        samples: In time order, of one symbol or of the market.
        told: Which of them rows are known of; the others say that there was none.
    """

    samples: Samples
    told: NDArray[np.intp]


def explain(alert: Mapping[str, Any], bars: pl.DataFrame, config: Config) -> Explanation:
    """Recompute an alert of a symbol.

    Args:
        alert: An ALERTS row.
        bars: BARS as they were published, of its symbol alone, in time order.
        config: That of the run.

    Raises:
        ReplayError: The bars do not hold the start and the peak.
    """
    end_us = bars["open_time"].to_physical().to_numpy() + (config.sampling.step_us or 0)
    recorded = Recorded(_samples(bars, end_us), np.arange(len(end_us)))
    return recomputed(alert, recorded, config.detector_of(alert["symbol"]), config)


def recomputed(
    alert: Mapping[str, Any], recorded: Recorded, own: DetectorConfig, config: Config
) -> Explanation:
    """Put samples through the detector, and compare its peak with that of an alert.

    Args:
        alert: An ALERTS row.
        recorded: What it was made of.
        own: The rules of the detector.
        config: That of the run.

    Raises:
        ReplayError: The rows do not hold the start and the peak.
    """
    step_us, samples = config.sampling.step_us, recorded.samples
    start, peak = (_row_at(alert, moment, recorded) for moment in ("start_time", "peak_time"))
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
    peak_us = int(samples.time_us[peak])
    return Explanation(
        alert=alert,
        enter=alert["threshold"],
        bars=len(recorded.told),
        first_bar=time_at(int(samples.time_us[recorded.told[0]]) - (step_us or 0)),
        start_score=float(scores.score[start]),
        peak_score=float(scores.score[peak]),
        peak_close=float(samples.close[peak]),
        differences=_differences(alert, peak_facts(scores, peak, peak_us, step_us)),
        **parts,
    )


def _row_at(alert: Mapping[str, Any], moment: str, recorded: Recorded) -> int:
    """Return which sample ended at a moment of an alert."""
    end_us = recorded.samples.time_us[recorded.told]
    row = int(np.searchsorted(end_us, microseconds(alert[moment])))
    if row == len(end_us) or end_us[row] != microseconds(alert[moment]):
        raise ReplayError(
            f"{alert['alert_id']}: expected the bar that ended at its {moment}, {alert[moment]}; "
            f"the {len(end_us):,} bars of {alert['symbol']} there are do not have it"
        )
    return int(recorded.told[row])


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
