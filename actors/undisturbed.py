"""What a pipeline would have said, had nothing gone wrong: its trades over REST, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.listing import listed_instruments
from actors.rest import RestClient, fetch_bars, fetch_trades
from pipeline.analysis import join_results
from pipeline.chaos.truth import Truth
from pipeline.engine import ShardEngine
from pipeline.listed import as_listed
from pipeline.schema import TRADES
from pipeline.venues.registry import venue_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import Config


def undisturbed(config: Config, report: Mapping[str, Mapping[str, Any]], *, until_us: int) -> Truth:
    """Return what the same engine says of the same ids.

    Args:
        config: That of the pipeline.
        report: Of each symbol the first and the last id that the pipeline accounts for.
        until_us: Until when the venue's clock closes bars that come without trades.

    Raises:
        VenueError: The venue cannot be asked.
    """
    venue = venue_of(config.venue)
    rest = RestClient()
    # As the pipeline did.
    config = as_listed(config, listed_instruments(venue, rest, config.symbols, "undisturbed"))
    engine = ShardEngine(config.symbols, config)
    told = []
    step_us = config.sampling.step_us or 1
    for symbol, row in report.items():
        trades = fetch_trades(
            venue, rest, symbol, from_id=row["first_id"], to_id=row["last_id"], start_us=0
        )
        open_us = trades["event_time"].to_physical()[0] // step_us * step_us
        history = fetch_bars(
            venue,
            rest,
            symbol,
            every_us=step_us,
            start_us=open_us - config.warm_up_us - config.fitted_by_us(symbol),
            end_us=open_us,
        )
        is_told = history["open_time"].to_physical() >= open_us - config.warm_up_us
        engine.learn(history.filter(~is_told))
        history = history.filter(is_told)
        told.append(engine.anchor(symbol, open_us, history))
        engine.expect(symbol, row["first_id"], row["last_id"])
        told.append(engine.step(trades))
    told.append(engine.step(TRADES.to_frame(), clock_us=until_us))
    told.append(engine.finish())
    return Truth(join_results(told), step_us)
