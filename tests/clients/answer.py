"""What every reader is asked, and how it answers; it runs in the environment of its client.

A reader is started as `reader.py WEBSOCKET_URL REST_URL SYMBOL LAST_ID`. It reads the trades up to
LAST_ID and the book after them, and prints what its client made of them as one JSON object.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

#: Id, price, size, milliseconds, and whether the buyer is the maker.
Trade = tuple[int, str, str, int, bool]


def asked() -> tuple[str, str, str, int]:
    """Return the WebSocket url, the REST url, the symbol, and the last id."""
    websocket_url, rest_url, symbol, last_id = sys.argv[1:]
    return websocket_url, rest_url, symbol, int(last_id)


def eight_places(value: str | float | Decimal) -> str:
    """Return a number as the exchange prints it, whatever the client made of it."""
    return f"{Decimal(str(value)):.8f}"


def as_trade(row: dict[str, Any]) -> Trade:
    """Return a trade that the client hands on as it came."""
    return int(row["a"]), eight_places(row["p"]), eight_places(row["q"]), int(row["T"]), row["m"]


def levels(rows: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - of every client another type
    """Return prices and sizes as the exchange prints them."""
    return [(eight_places(row[0]), eight_places(row[1])) for row in rows]


def answer(streamed: list[Trade], served: list[Trade], bids: Any, asks: Any) -> None:  # noqa: ANN401 - as above
    """Print what was read: the trades of the stream, those of REST, and the book."""
    said = {
        "streamed": streamed,
        "served": served,
        "bids": levels(bids),
        "asks": levels(asks),
    }
    sys.stdout.write(json.dumps(said) + "\n")
