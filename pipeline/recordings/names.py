"""What the name of a file tells about its rows."""

from __future__ import annotations

import re

from pipeline.durations import parse_duration

# BTCUSDT-aggTrades-2025-01-01.zip, BTCUSDT-1m-2025-01.csv, and freqtrade's BTC_USDT-1m.feather
# and BTC_USDT_USDT-1m-futures.feather (base, quote, what it is settled in).
_SYMBOL = re.compile(
    r"([A-Z0-9]+_[A-Z0-9]+|[A-Z0-9]{3,})(?:_[A-Z0-9]+)?-(?:aggTrades|trades|\d+[a-zA-Z])"
)
_LENGTH = re.compile(r"-([1-9]\d*[smhd])[-.]")


def symbol_in_name(name: str) -> str | None:
    """Return the symbol that a file name starts with, null if it starts with none."""
    match = _SYMBOL.match(name)
    return None if match is None else match[1].replace("_", "")


def bar_length_in_name_us(name: str) -> int | None:
    """Return the length of a bar that a file name tells (`-1m-`, `-1m.`), null if it tells none."""
    match = _LENGTH.search(name)
    return None if match is None else parse_duration(match[1])
