"""Whether a venue has the markets that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, VenueDisconnected, VenueRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.rest import RestClient
    from pipeline.venues.protocol import Instrument, Venue


def listed_instruments(
    venue: Venue, rest: RestClient, symbols: Sequence[str], config_path: str
) -> list[Instrument]:
    """Return the listing of the symbols.

    Raises:
        ConfigError: The venue does not list all of them, or some do not trade.
        VenueError: It cannot be asked.
    """
    try:
        body = rest.get(venue.instruments_request(symbols))
    except VenueRefused:
        # One unknown name is enough to refuse them all: the whole listing tells which.
        body = rest.get(venue.instruments_request([]))
    except VenueDisconnected as error:
        raise VenueDisconnected(f"{venue.name} cannot be reached: {error}") from error
    listed = {instrument.symbol: instrument for instrument in venue.parse_instruments(body)}
    problems = [
        f"symbols: expected names that {venue.name} lists, found {symbol}"
        for symbol in symbols
        if symbol not in listed
    ]
    problems += [
        f"symbols: expected markets that trade, found {symbol}, which {venue.name} has halted"
        for symbol in symbols
        if symbol in listed and not listed[symbol].trading
    ]
    if problems:
        raise ConfigError(config_path, problems)
    return [listed[symbol] for symbol in symbols]
