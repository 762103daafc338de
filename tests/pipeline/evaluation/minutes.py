"""Makes files of minute bars: a calm market, with what is planted in it."""

from __future__ import annotations

import json
import random
from pathlib import Path

START_US = 1_700_006_400_000_000  # 2023-11-15T00:00Z
MINUTE_US = 60_000_000


def minutes_us(count: int) -> int:
    """Return the open time of a minute, counted from the first."""
    return START_US + count * MINUTE_US


def write_minutes(
    path: Path, count: int, *, missing: range = range(0), jump: tuple[int, float] = (-1, 1.0)
) -> str:
    """Write a walk of 5 bp a minute as freqtrade's klines; return the path.

    Args:
        path: Whose name tells the symbol and `-1m`.
        count: Minutes, missing ones included.
        missing: Minutes that are left out.
        jump: A minute, and the factor by which its close is off the walk from there on.
    """
    chance = random.Random(3)  # noqa: S311 - a market, not a secret
    rows, price = [], 100.0
    for at in range(count):
        before = price
        price *= 1 + chance.gauss(0, 5e-4)
        if at == jump[0]:
            price *= jump[1]
        low, high = min(before, price), max(before, price)
        if at not in missing:
            rows.append([minutes_us(at) // 1000, before, high, low, price, 1.0])
    path.write_text(json.dumps(rows))
    return str(path)
