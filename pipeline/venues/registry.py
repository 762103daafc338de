"""The venues a configuration can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import VenueError
from pipeline.venues.binance import Binance

if TYPE_CHECKING:
    from pipeline.venues.protocol import Venue

# Name -> where it is; the built-in exchange is wherever it was started. The hosts of Binance are
# those that serve market data only.
_ADDRESSES: dict[str, tuple[str | None, str | None]] = {
    "exchange": (None, None),
    "binance": ("wss://data-stream.binance.vision", "https://data-api.binance.vision"),
    "binance-us": ("wss://stream.binance.us:9443", "https://api.binance.us"),
}

VENUES = tuple(_ADDRESSES)


def venue_for(name: str, *, websocket_url: str | None = None, rest_url: str | None = None) -> Venue:
    """Return a venue, at its public address or at the given one.

    Args:
        name: One of `VENUES`.
        websocket_url: Scheme, host and port, without a path.
        rest_url: Likewise.

    Raises:
        VenueError: The name is unknown, or the venue has no public address and none was given.
    """
    if name not in _ADDRESSES:
        raise VenueError(f"expected a venue of {', '.join(VENUES)}, found {name}")
    public_websocket_url, public_rest_url = _ADDRESSES[name]
    websocket_url = public_websocket_url if websocket_url is None else websocket_url
    rest_url = public_rest_url if rest_url is None else rest_url
    if websocket_url is None or rest_url is None:
        raise VenueError(f"{name}: expected websocket_url and rest_url, it has no public address")
    return Binance(name, websocket_url, rest_url)
