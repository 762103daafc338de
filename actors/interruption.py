"""The first SIGINT or SIGTERM asks to stop; one that comes a while later ends the process."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

#: The exit code of an interrupted command.
INTERRUPTED = 130

#: Terminals and tools that signal a whole group reach its leader twice.
_ECHO_S = 1.0


def interruption(interrupted: threading.Event | None = None) -> threading.Event:
    """Return an event that the first signal sets; call it from the main thread.

    Args:
        interrupted: An event of an earlier call, when others have set handlers since.
    """
    event = threading.Event() if interrupted is None else interrupted
    first_s: list[float] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        event.set()
        first_s.append(time.monotonic())
        if time.monotonic() - first_s[0] > _ECHO_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return event
