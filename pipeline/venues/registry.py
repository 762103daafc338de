"""The venues a configuration can name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import VenueError
from pipeline.venues import binance, kraken
from pipeline.venues.binance import Binance
from pipeline.venues.kraken import Kraken

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.config_sections import VenueConfig
    from pipeline.venues.protocol import SymbolForm, Venue


@dataclass(frozen=True, slots=True)
class _Entry:
    """A protocol, and where it is spoken; the built-in exchange is wherever it was started."""

    venue: Callable[[str, str, str, int | None], Venue]
    symbols: SymbolForm
    websocket_url: str | None = None
    rest_url: str | None = None


_ENTRIES = {
    "exchange": _Entry(Binance, binance.SYMBOLS),
    # The hosts that serve market data only.
    "binance": _Entry(
        Binance,
        binance.SYMBOLS,
        "wss://data-stream.binance.vision",
        "https://data-api.binance.vision",
    ),
    "binance-us": _Entry(
        Binance, binance.SYMBOLS, "wss://stream.binance.us:9443", "https://api.binance.us"
    ),
    "kraken": _Entry(Kraken, kraken.SYMBOLS, "wss://ws.kraken.com", "https://api.kraken.com"),
}

VENUES = tuple(_ENTRIES)


def symbol_form(name: str) -> SymbolForm:
    """Return how the venue of that name, one of `VENUES`, writes its markets."""
    return _ENTRIES[name].symbols


def venue_for(
    name: str,
    *,
    websocket_url: str | None = None,
    rest_url: str | None = None,
    book_levels: int | None = None,
) -> Venue:
    """Return a venue, at its public address or at the given one.

    Args:
        name: One of `VENUES`.
        websocket_url: Scheme, host and port, without a path.
        rest_url: Likewise.
        book_levels: The best levels of each book that are wanted; null: no books.

    Raises:
        VenueError: The name is unknown, or the venue has no public address and none was given.
    """
    if name not in _ENTRIES:
        raise VenueError(f"expected a venue of {', '.join(VENUES)}, found {name}")
    entry = _ENTRIES[name]
    websocket_url = entry.websocket_url if websocket_url is None else websocket_url
    rest_url = entry.rest_url if rest_url is None else rest_url
    if websocket_url is None or rest_url is None:
        raise VenueError(f"{name}: expected websocket_url and rest_url, it has no public address")
    return entry.venue(name, websocket_url, rest_url, book_levels)


def venue_of(config: VenueConfig, *, book_levels: int | None = None) -> Venue:
    """Return the venue that a configuration names; see `venue_for`.

    Raises:
        VenueError: It is the built-in one, and was not started.
    """
    return venue_for(
        config.name,
        websocket_url=config.websocket_url,
        rest_url=config.rest_url,
        book_levels=book_levels,
    )
