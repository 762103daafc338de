"""The one way tests wait: for a condition, with a deadline."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Long enough for a machine that does other things too.
DEADLINE_S = 90.0

_EVERY_S = 0.01


def wait_until(
    condition: Callable[[], object], what: str = "it", deadline_s: float = DEADLINE_S
) -> None:
    """Wait until a condition is true; fail the test when that takes too long."""
    end_s = time.monotonic() + deadline_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end_s, f"waited {deadline_s} s for {what}"
        pause.wait(_EVERY_S)
