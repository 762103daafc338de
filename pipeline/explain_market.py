"""An alert of the market recomputed from the MARKET rows that were told, and who moved.

The rows hold the index as the detector took it, so neither the symbols nor the order in which they
came are needed again. A coordinator that was restarted has an index of its own, from its own start
on: its alerts are made of its own rows, and what it has not told is not there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.durations import SECOND
from pipeline.explain import Recorded, recomputed
from pipeline.market_samples import MarketSamples, market_detector
from pipeline.schema import TIME
from pipeline.times import microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import Config
    from pipeline.detect.config import DetectorConfig
    from pipeline.explain import Explanation


@dataclass(frozen=True, slots=True)
class Move:
    """What one symbol did, from close to close.

    Attributes:
        symbol: Which.
        move_bp: In basis points.
    """

    symbol: str
    move_bp: float


@dataclass(frozen=True, slots=True)
class Movers:
    """What the symbols did up to the peak of the market, over what the peak spans.

    Attributes:
        members: Symbols that had a return in the last step.
        median_score: Of their signed scores there; null with too few of them.
        moves: Of the symbols whose prices at both ends are known; largest first, either way.
    """

    members: int
    median_score: float | None
    moves: tuple[Move, ...]


def explain_market(
    alert: Mapping[str, Any], market: pl.DataFrame, bars: pl.DataFrame, config: Config
) -> Explanation:
    """Recompute an alert of the market.

    Args:
        alert: An ALERTS row of the market.
        market: MARKET as it was told, in time order.
        bars: BARS as they were published, of all symbols, each step once.
        config: That of the run.

    Raises:
        ReplayError: The rows do not hold the start and the peak.
    """
    own = market_detector(config.detector)
    found = recomputed(alert, _recorded(market, own, config), own, config)
    return replace(found, movers=_movers(alert, market, bars, config))


def _recorded(market: pl.DataFrame, own: DetectorConfig, config: Config) -> Recorded:
    """Return the samples that the rows were, as `pipeline.market_series` made them."""
    end_us = market["open_time"].to_physical().to_numpy() + _step_us(config)
    close = market["close"].fill_null(math.nan).to_numpy()
    trades = market["trades"].fill_null(-1).to_numpy()
    return Recorded(*MarketSamples(own, config.sampling).push(end_us, close, trades))


def _movers(
    alert: Mapping[str, Any], market: pl.DataFrame, bars: pl.DataFrame, config: Config
) -> Movers:
    last_us = microseconds(alert["peak_time"]) - _step_us(config)
    first_us = last_us - round(alert["horizon_s"] * SECOND)
    row = market.filter(_opened(last_us)).row(0, named=True)
    before, after = (
        bars.filter(_opened(open_us)).select("symbol", "close") for open_us in (first_us, last_us)
    )
    both = after.join(before, on="symbol", suffix="_before").drop_nulls()
    moves = [Move(symbol, 1e4 * math.log(close / was)) for symbol, close, was in both.iter_rows()]
    moves.sort(key=lambda move: (-abs(move.move_bp), move.symbol))
    return Movers(row["members"], row["median_score"], tuple(moves))


def _step_us(config: Config) -> int:
    assert config.sampling.step_us is not None  # noqa: S101 - without a grid there is no market
    return config.sampling.step_us


def _opened(open_us: int) -> pl.Expr:
    return pl.col("open_time") == pl.lit(open_us).cast(TIME)
