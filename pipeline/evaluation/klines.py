"""Recorded market months through the product's engine: what it would have alerted, and when.

Files hold a venue's bars of one symbol each, see `pipeline.recordings.inputs`. A minute that is
missing has no price beyond `sampling.forward_fill` of the configuration; nothing else fills it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.batch.survey import BarSurvey
from pipeline.config_file import config_of
from pipeline.durations import DAY, SECOND, format_duration
from pipeline.engine import ShardEngine
from pipeline.errors import ReplayError
from pipeline.recordings.inputs import open_input, read_chunks
from pipeline.times import time_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pipeline.analysis import StepResult
    from pipeline.config import Config
    from pipeline.recordings.inputs import Input

_CHUNK_ROWS = 50_000
_FRAMES = ("bars", "features")


@dataclass(frozen=True, slots=True)
class Outage:
    """Bars that are missing in a row.

    Attributes:
        start_us: Open time of the first that is missing.
        end_us: Open time of the next there is.
        bars: How many are missing.
    """

    start_us: int
    end_us: int
    bars: int


@dataclass(frozen=True, slots=True)
class KlinesRun:
    """What the engine made of one file.

    Attributes:
        file: As it was given.
        symbol: Whose bars.
        rows: Sound bars of the file.
        rejected: Rows of the file that are no bars.
        every_us: The length of a bar.
        forward_fill_us: How long its close stays valid.
        end_us: Published bar by published bar, when it ended.
        close: Likewise, its close; NaN where no price is known.
        score: Likewise; NaN where there is none.
        horizon_us: Likewise, what the tested return spans; 0 where there is no score.
        alerts: ALERTS in the last state of each, by start; the end is null of one still open.
        outages: In time order.
    """

    file: str
    symbol: str
    rows: int
    rejected: int
    every_us: int
    forward_fill_us: int
    end_us: NDArray[np.int64]
    close: NDArray[np.float64]
    score: NDArray[np.float64]
    horizon_us: NDArray[np.int64]
    alerts: pl.DataFrame
    outages: tuple[Outage, ...]

    @property
    def days(self) -> float:
        """How much market its bars span, without what is missing."""
        return self.rows * self.every_us / DAY

    def spans_us(self) -> list[tuple[int, int]]:
        """Return start and end of each alert; one that is open lasts to the end of the file."""
        last_us = int(self.end_us[-1])
        times = self.alerts.select(pl.col("start_time", "end_time").to_physical())
        return [(start, last_us if end is None else end) for start, end in times.iter_rows()]


def minutes_config(settings: Sequence[str] = ()) -> Config:
    """Return the defaults of the product on a grid of a minute; any symbol may be run with it.

    Horizons and window are the defaults' steps on that grid: 5, 15 and 30 minutes, 5 hours.

    Args:
        settings: What differs, as `dotted.path=value`.

    Raises:
        ConfigError: That is none.
    """
    minutes = {"symbols": ["BTCUSDT"], "sampling": {"every": "1m"}, "features": ["realized_vol_1h"]}
    return config_of(minutes, "evaluate klines", settings)


def evaluate_klines(
    files: Sequence[str], config: Config, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the report of `evaluate klines`: file by file its bars, alerts and outages.

    Times are ISO 8601 in UTC: of an alert when the bar ended that raised it, of an outage the open
    times of the first missing bar and of the next there is. Moves are in basis points.

    Args:
        files: Paths of klines, of one symbol each.
        config: What to compute; its grid is that of the files.
        progress: Called after each file with how many are done, and of how many.

    Raises:
        ReplayError: A file cannot be read, holds no klines, or klines of another length.
    """
    return {run.file: report_of(run) for run in run_klines(files, config, progress=progress)}


def run_klines(
    files: Sequence[str], config: Config, *, progress: Callable[[int, int], None] | None = None
) -> list[KlinesRun]:
    """Run files through an engine of their own each; see `evaluate_klines`."""
    runs = []
    for done, file in enumerate(files, start=1):
        runs.append(_run(file, config))
        if progress is not None:
            progress(done, len(files))
    return runs


def report_of(run: KlinesRun) -> dict[str, Any]:
    """Return what the report of `evaluate klines` says of a file; all of it can be JSON."""
    columns = ("start_time", "end_time", "severity", "peak_score", "move_bp")
    quality: list[dict[str, Any]] = [
        {
            "kind": "outage",
            "start": _iso(time_at(outage.start_us)),
            "end": _iso(time_at(outage.end_us)),
            "bars": outage.bars,
        }
        for outage in run.outages
    ]
    if run.rejected:
        quality.append({"kind": "rejected", "rows": run.rejected})
    return {
        "symbol": run.symbol,
        "bars": run.rows,
        "alerts": [
            {
                "start": _iso(start),
                "end": None if end is None else _iso(end),
                "severity": severity,
                "score": score,
                "move_bp": move_bp,
            }
            for start, end, severity, score, move_bp in run.alerts.select(columns).iter_rows()
        ],
        "data_quality": quality,
    }


def _run(file: str, config: Config) -> KlinesRun:
    source, step_us = _klines(file, config)
    assert source.symbol is not None  # noqa: S101 - klines are of one symbol
    engine, survey = ShardEngine([source.symbol], config), BarSurvey(step_us)
    told: list[StepResult] = []
    outages: list[Outage] = []
    rows = rejected = 0
    for chunk in read_chunks(source, _CHUNK_ROWS):
        rejected += chunk.rejected.height
        if chunk.rows.is_empty():
            continue
        rows += chunk.rows.height
        found = survey.look(chunk.rows["open_time"].to_physical().to_numpy())
        outages += [
            Outage(start, end, (end - start) // step_us) for start, end in found.halts_us.tolist()
        ]
        told.append(engine.extend(chunk.rows))
    if not rows:
        raise ReplayError(f"{file}: expected klines, found none that is whole")
    told.append(engine.finish())
    bars, features = (pl.concat([getattr(one, name) for one in told]) for name in _FRAMES)
    alerts = pl.concat([one.alerts for one in told])
    return KlinesRun(
        file=file,
        symbol=source.symbol,
        rows=rows,
        rejected=rejected,
        every_us=step_us,
        forward_fill_us=config.sampling.forward_fill,
        end_us=bars["open_time"].to_physical().to_numpy() + step_us,
        close=bars["close"].fill_null(np.nan).to_numpy(),
        score=features["score"].fill_null(np.nan).to_numpy(),
        horizon_us=(features["horizon_s"].fill_null(0.0) * SECOND).cast(pl.Int64).to_numpy(),
        alerts=alerts.unique("alert_id", keep="last", maintain_order=True).sort("start_time"),
        outages=tuple(outages),
    )


def _klines(file: str, config: Config) -> tuple[Input, int]:
    """Open klines, and return the length of a bar with them."""
    source = open_input(Path(file))
    if source.every_us is None:
        raise ReplayError(f"{file}: expected klines, found {source.kind}")
    step_us = config.sampling.step_us
    if source.every_us != step_us:
        every = "trade" if step_us is None else format_duration(step_us)
        length = format_duration(source.every_us)
        raise ReplayError(
            f"{file}: expected klines of sampling.every {every}, found some of {length}"
        )
    return source, step_us


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
