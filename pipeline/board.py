"""What a board may see of a pipeline, and the seam it sees it through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import polars as pl

from pipeline.crosssection import cross_section_plan
from pipeline.durations import DAY, HOUR, SECOND
from pipeline.schema import TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.config import Config
    from pipeline.crosssection import CrossSectionPlan
    from pipeline.venues.protocol import Instrument

#: One row a closed bar, in the order the coordinator applied them.
SAMPLES = pl.Schema(
    {
        "symbol": pl.String(),
        "open_time": TIME,
        "close": pl.Float64(),  # null: no price within sampling.forward_fill
        "volatility": pl.Float64(),  # the headline feature, annualised fraction; null while unknown
        "score": pl.Float64(),  # null while unknown
        "direction": pl.Int8(),  # sign of the tested return
        "complete": pl.Boolean(),
        "regime": pl.String(),  # of volatility, see `pipeline.regimes`; null while unknown
        "regime_change": pl.Int8(),  # 1 where volatility was found to have risen, -1 fallen, else 0
        "revision": pl.Int32(),  # above 0: it takes the place of the row told before
    }
)


@dataclass(frozen=True, slots=True)
class BoardPlan:
    """What a board is told once; when it changes, the pipeline is to a board another one."""

    venue: str
    symbols: tuple[str, ...]  # in the order of the configuration
    every_us: int  # between samples
    by_trade: bool  # a bar is a trade; the last one of each `every_us` makes a sample
    headline: str  # name of the feature in SAMPLES.volatility
    detector: str
    enter: Mapping[str, float]  # symbol -> score at which an episode starts
    exit: Mapping[str, float]  # symbol -> score below which it may end
    forward_fill_us: int  # a price without a newer trade is stale after so long
    history_us: int  # how much a snapshot can hold
    tick_size: Mapping[str, float]  # symbol -> smallest price step
    # Of symbols that are watched no more: the condition that says why.
    ended: Mapping[str, str] = field(default_factory=dict)
    crosssection: CrossSectionPlan | None = None  # null where nothing is said of the market

    @property
    def watched(self) -> dict[str, float]:
        """The symbols that have not ended, with the score at which an episode starts."""
        return {name: self.enter[name] for name in self.symbols if name not in self.ended}


def history_us(config: Config) -> int:
    """Return how far back the coordinator knows bars: as far as a board looks, and `explain`.

    If the configuration does not say: 3,600 steps, an hour at least; so long that an alert can be
    explained until what its score looks back on is as old again; seven days at most.
    """
    if config.board.history is not None:
        return config.board.history
    step_us = config.sampling.step_us or SECOND
    looked_back_us = max(detector.warm_up_us(step_us) for detector in config.detectors)
    return min(max(HOUR, 3600 * step_us, 2 * looked_back_us), 7 * DAY)


def board_plan(
    config: Config, instruments: Iterable[Instrument], ended: Mapping[str, str]
) -> BoardPlan:
    """Return what a board is told of a pipeline.

    Args:
        config: With the symbols of the pipeline.
        instruments: What the venue lists of these.
        ended: As in the plan.
    """
    detectors = {symbol: config.detector_of(symbol) for symbol in config.symbols}
    return BoardPlan(
        venue=config.venue.name,
        symbols=config.symbols,
        every_us=config.sampling.step_us or config.actors.flush,
        by_trade=config.sampling.step_us is None,
        headline=config.features[0],
        detector=config.detector.name,
        enter={symbol: detector.enter for symbol, detector in detectors.items()},
        exit={symbol: detector.exit for symbol, detector in detectors.items()},
        forward_fill_us=config.sampling.forward_fill,
        history_us=history_us(config),
        tick_size={instrument.symbol: instrument.tick_size for instrument in instruments},
        ended=dict(ended),
        crosssection=cross_section_plan(config),
    )


@dataclass(frozen=True, slots=True)
class BoardSnapshot:
    """Everything that changed since a version.

    Attributes:
        incarnation: Changes when the coordinator was restarted: forget what came before.
        version: Pass it to the next `snapshot` call.
        taken_us: The coordinator's clock.
        venue_us: The newest venue clock any shard reported; null before the first.
        samples: SAMPLES applied after the asked version (the whole history for 0), bounded by
            `plan.history_us`.
        alerts: ALERTS rows added or revised after the asked version.
        health: HEALTH, the newest row of every symbol that has reported.
        connected: Symbol -> whether its feed is connected; a symbol that never reported is absent.
        trades_per_s: Over the last few seconds, all symbols, on the coordinator's clock.
        restarts: Symbol actors and coordinators restarted since the start.
        market_score: Of all symbols as one, signed; null while it is unknown.
    """

    incarnation: str
    version: int
    taken_us: int
    venue_us: int | None
    plan: BoardPlan
    samples: pl.DataFrame
    alerts: pl.DataFrame
    health: pl.DataFrame
    connected: Mapping[str, bool]
    trades_per_s: float
    restarts: int
    market_score: float | None = None


class BoardSource(Protocol):
    """Where a board gets its snapshots: the coordinator itself, or a client of it."""

    def snapshot(self, since: int) -> BoardSnapshot:
        """Return what changed after version `since`; 0 asks for everything.

        Raises:
            ClusterError: The pipeline cannot be reached.
        """


#: Volatility above this multiple of its own median counts as elevated.
ELEVATED_RATIO = 1.6


def volatility_baseline(samples: pl.DataFrame) -> pl.DataFrame:
    """Summarise what is usual for each symbol over the rows given.

    Args:
        samples: `symbol` and `volatility` of SAMPLES, in any order; null volatility is left out.

    Returns:
        `symbol`, `baseline` (the median volatility) and `elevated` (`ELEVATED_RATIO` times it),
        one row a symbol in order of first appearance; null where no volatility is known.
    """
    median = pl.col("volatility").median()
    return samples.group_by("symbol", maintain_order=True).agg(
        baseline=median, elevated=median * ELEVATED_RATIO
    )
