"""Durations as people write them (`250ms 1s 5m 1h 7d`), held as whole microseconds."""

from __future__ import annotations

import re

MICROSECOND = 1
MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MILLISECOND, "us": MICROSECOND}
_PATTERN = re.compile(r"(\d+)(us|ms|s|m|h|d)")


def parse_duration(text: str) -> int:
    """Return the microseconds of a duration such as `250ms`, `1s`, `5m`, `1h` or `7d`.

    Raises:
        ValueError: `text` is not one whole number followed by one unit.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a duration such as 250ms, 1s, 5m, 1h or 7d, found {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def format_duration(duration_us: int) -> str:
    """Return the shortest exact text that `parse_duration` reads back to `duration_us`."""
    for unit, size in _UNITS.items():
        if duration_us >= size and duration_us % size == 0:
            return f"{duration_us // size}{unit}"
    return f"{duration_us}us"
