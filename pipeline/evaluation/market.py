"""Recorded months side by side: episodes of the market, and what of the symbols' is part of them.

Files are as for `pipeline.evaluation.klines`; those of one symbol are joined in time order. They
should be of one quote asset: against another one the same fall is a rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.crosssection import CrossSection, cross_section_plan
from pipeline.durations import DAY, format_duration
from pipeline.engine import ShardEngine
from pipeline.errors import ReplayError
from pipeline.recordings.inputs import open_input, read_chunks
from pipeline.schema import MARKET_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.config import Config
    from pipeline.evaluation.known_events import Event

_CHUNK_ROWS = 50_000

#: Kinds of events that are those of all symbols.
_OF_MARKETS = ("market_crash", "outage")


@dataclass(frozen=True, slots=True)
class MarketRun:
    """What is said of some symbols side by side.

    Attributes:
        symbols: Of the files.
        days: How much market there is.
        steps_us: Open times of its steps.
        alerts: ALERTS of the market and of the symbols, each in its last state, by start.
    """

    symbols: tuple[str, ...]
    days: float
    steps_us: NDArray[np.int64]
    alerts: pl.DataFrame

    def covers(self, event: Event) -> bool:
        """Tell whether there are steps of its time."""
        return bool(np.any((self.steps_us >= event.start_us) & (self.steps_us < event.end_us)))

    @property
    def market(self) -> pl.DataFrame:
        """ALERTS of the market."""
        return self.alerts.filter(pl.col("symbol") == MARKET_SYMBOL)


def run_market(files: Sequence[str], config: Config) -> MarketRun:
    """Run files through an engine, and what it says of them through a cross-section.

    Args:
        files: Paths of klines.
        config: What to compute; its grid is that of the files.

    Raises:
        ReplayError: A file cannot be read, or holds no klines of that grid.
    """
    bars = pl.concat([_read(file, config) for file in files])
    symbols = tuple(bars["symbol"].unique(maintain_order=True))
    plan = cross_section_plan(config)
    assert plan is not None  # noqa: S101 - klines have a grid
    state = CrossSection(plan, {symbol: config.detector_of(symbol).enter for symbol in symbols})
    engine = ShardEngine(symbols, config)
    results = []
    # By time: one symbol after the other, all rows would wait for those of the last.
    for rows in bars.sort("open_time", maintain_order=True).iter_slices(_CHUNK_ROWS):
        told = engine.extend(rows)
        results.append(state.push(told.bars, told.features, told.alerts, 0))
    results.append(state.finish())
    market, alerts = (
        pl.concat([getattr(result, name) for result in results]) for name in ("market", "alerts")
    )
    newest = alerts.sort("revision", maintain_order=True).unique("alert_id", keep="last")
    days = market.height * plan.step_us / DAY
    steps_us = market["open_time"].to_physical().to_numpy()
    return MarketRun(symbols, days, steps_us, newest.sort("start_time", "symbol"))


def report_of(run: MarketRun, events: Sequence[Event], reach_us: int) -> dict[str, Any]:
    """Return the report of `evaluate market`; all of it can be JSON.

    It has `symbols`, `days`, `episodes` (of symbols), `folded` (those of them that are part of one
    of the market), and `market`: start and end in ISO 8601, `severity`, `score`, `move_bp`,
    `exceeding` and `members`; and `events`, one by one: `event`, `kind`, and `alerts`, how many of
    the market's overlap a crash, or start at the edge of an outage.

    Args:
        run: Of files.
        events: What is known to have happened in them.
        reach_us: How far the edges of outages reach; the longest horizon is what a return spans.
    """
    columns = ("severity", "peak_score", "move_bp", "exceeding", "members")
    times = (pl.col(name).dt.strftime("%FT%TZ") for name in ("start_time", "end_time"))
    rows = run.market.select(*times, *columns).rename(
        {"start_time": "start", "end_time": "end", "peak_score": "score"}
    )
    return {
        "symbols": list(run.symbols),
        "days": run.days,
        "episodes": run.alerts.height - rows.height,
        "folded": run.alerts["parent_id"].count(),
        "market": rows.to_dicts(),
        "events": [
            {"event": one.event_id, "kind": one.kind, "alerts": _alerts_of(one, run, reach_us)}
            for one in events
            if one.kind in _OF_MARKETS
        ],
    }


def _alerts_of(event: Event, run: MarketRun, reach_us: int) -> int:
    if event.kind == "outage":
        return starting_at_edges(event, run, reach_us).height
    return overlapping(event, run).height


def overlapping(event: Event, run: MarketRun) -> pl.DataFrame:
    """Return ALERTS of the market that have a moment in common with an event, by start."""
    start, end = (pl.col(name).dt.timestamp("us") for name in ("start_time", "end_time"))
    is_there = (start <= event.end_us) & (end.is_null() | (end >= event.start_us))
    return run.market.filter(is_there)


def starting_at_edges(event: Event, run: MarketRun, reach_us: int) -> pl.DataFrame:
    """Return ALERTS of the market that started in an outage or close to it; there should be none.

    Args:
        event: The outage.
        run: Of the files it is in.
        reach_us: How far its edges reach; the longest horizon is what a return spans.
    """
    start = pl.col("start_time").dt.timestamp("us")
    return run.market.filter(start.is_between(event.start_us - reach_us, event.end_us + reach_us))


def _read(file: str, config: Config) -> pl.DataFrame:
    """Return the BARS of a file."""
    source = open_input(Path(file))
    step_us = config.sampling.step_us
    if source.every_us is None or source.every_us != step_us or source.symbol is None:
        found = source.kind if source.every_us is None else f"some of {_written(source.every_us)}"
        raise ReplayError(f"{file}: expected klines of {_written(step_us)}, found {found}")
    return pl.concat([chunk.rows for chunk in read_chunks(source, _CHUNK_ROWS)])


def _written(step_us: int | None) -> str:
    return "every trade" if step_us is None else format_duration(step_us)
