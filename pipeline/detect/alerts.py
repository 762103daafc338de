"""Episodes as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.durations import SECOND
from pipeline.schema import ALERTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.detect.episodes import Episode


#: Of the highest score and the return it is of; they change together, when it rises.
PEAK_COLUMNS = (
    "peak_time",
    "peak_score",
    "move_bp",
    "direction",
    "horizon_s",
    "samples",
    "window_start",
    "window_end",
)


def alerts_frame(episodes: Sequence[Episode], detector: str) -> pl.DataFrame:
    """Return episodes as ALERTS rows; an id names symbol, detector and start."""
    rows = [
        {
            "alert_id": f"{episode.symbol}-{detector}-{episode.start_us}",
            "symbol": episode.symbol,
            "detector": detector,
            "kind": "return",
            "severity": episode.severity,
            "scope": "idiosyncratic",
            "status": "open" if episode.end_us is None else "closed",
            "start_time": episode.start_us,
            "end_time": episode.end_us,
            "peak_time": episode.peak_us,
            "peak_score": episode.peak_score,
            "threshold": episode.threshold,
            "move_bp": episode.move_bp,
            "direction": episode.direction,
            "horizon_s": None if episode.horizon_us is None else episode.horizon_us / SECOND,
            "samples": episode.samples,
            "window_start": episode.window_start_us,
            "window_end": episode.window_end_us,
            "revision": episode.revision,
        }
        for episode in episodes
    ]
    times = ["start_time", "end_time", "peak_time", "window_start", "window_end"]
    raw = pl.Schema([(name, pl.Int64 if name in times else kind) for name, kind in ALERTS.items()])
    return pl.DataFrame(rows, schema=raw, orient="row").cast(ALERTS)
