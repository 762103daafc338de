"""Prices and sizes: whole numbers of 1e-8 inside, eight decimals on the wire."""

from __future__ import annotations

import re

E8 = 100_000_000

_DECIMAL = re.compile(r"(\d{1,10})(?:\.(\d{1,8})0*)?")


def parse_decimal(text: str) -> int:
    """Return the 1e-8 units of a plain decimal such as `0.00141342`.

    Raises:
        ValueError: `text` is signed, has an exponent, more than eight decimals or over ten digits
            before the point.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a decimal with at most 8 places, found {text!r}")
    return int(match[1]) * E8 + int((match[2] or "").ljust(8, "0"))


def decimal_text(value_e8: int) -> str:
    """Return the eight decimals that Binance prints: `-1` becomes `-0.00000001`."""
    sign = "-" if value_e8 < 0 else ""
    digits = f"{abs(value_e8):09d}"
    return f"{sign}{digits[:-8]}.{digits[-8:]}"
