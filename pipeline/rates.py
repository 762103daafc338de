"""Rates as people write them (`0.5/d`, `3/30d`, `2/h`): how often in how many hours or days."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.durations import DAY, HOUR

_UNITS = {"d": DAY, "h": HOUR}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)/(\d*)([dh])")

#: The rarest and the most frequent that can be written.
_RAREST, _MOST = 1 / 365, 24_000.0


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a number of hours or days.

    Attributes:
        text: As it was written.
        per_day: The same, as a number a day.
    """

    text: str
    per_day: float

    def __str__(self) -> str:
        return self.text


def parse_rate(text: object) -> Rate:
    """Return the rate of a text such as `0.5/d`, `3/30d` or `2/h`.

    Raises:
        ValueError: It is none, or not within once in 365 days and 1000 an hour.
    """
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"expected a rate such as 0.5/d, 3/30d or 2/h, found {text!r}")
    span_us = int(match[2] or 1) * _UNITS[match[3]]
    per_day = float(match[1]) * DAY / span_us if span_us else float("inf")
    if not _RAREST <= per_day <= _MOST:
        raise ValueError(f"expected a rate from 1/365d to 1000/h, found {match[0]}")
    return Rate(match[0], per_day)
