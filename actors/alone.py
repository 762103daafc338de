"""A venue asked by a command that runs beside no pipeline, with nobody to share its limits with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from actors.allowance import Allowance
from actors.budget import BANS_FILE, BudgetKeeper
from actors.following import Following
from actors.listing import listed_instruments
from actors.rest import RestClient
from actors.trust import trust_of
from pipeline.errors import ConfigError
from pipeline.listed import as_listed
from pipeline.venues.registry import venue_of

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.venues.protocol import Venue


class Alone(NamedTuple):
    """What such a command works with.

    Attributes:
        config: With the markets that a rule chooses now in its place, and price steps.
        venue: Says what to ask, and reads the answers.
        allowance: Keeps to the venue's limits, and to bans of earlier runs.
    """

    config: Config
    venue: Venue
    allowance: Allowance


def ask_listing(config: Config, config_path: str) -> Alone:
    """Ask a venue for the markets of a configuration.

    Raises:
        ConfigError: The venue runs nowhere, or does not list the symbols.
        VenueError: It cannot be asked.
    """
    if config.venue.is_built_in:
        problem = "expected a venue that runs, found none: give websocket_url and rest_url"
        raise ConfigError(config_path, [f"venue: {problem}"])
    venue = venue_of(config.venue)
    host = urlsplit(venue.time_request().url).netloc
    keeper = BudgetKeeper(venue.limits, host, Path(config.storage.directory) / BANS_FILE)
    allowance = Allowance(keeper, venue.limits, venue.used_weight)
    rest = RestClient(allowance, trust=trust_of(config.venue.ca_file))
    if config.symbol_rule is None:
        instruments = listed_instruments(venue, rest, config.symbols, config_path)
    else:
        instruments = Following(venue, rest, config.symbol_rule).begin(config_path)
    named = as_listed(config, instruments).model_copy(update={"symbol_rule": None})
    return Alone(named, venue, allowance)
