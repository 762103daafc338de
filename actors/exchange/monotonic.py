"""The clock of pings, paces and limits: real time, which no speed of the venue changes."""

from __future__ import annotations

import time


def monotonic_us() -> int:
    """Return microseconds that never fall; their zero means nothing."""
    return time.monotonic_ns() // 1000
