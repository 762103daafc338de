"""The first SIGINT or SIGTERM asks to stop, the second ends the process."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def interruption() -> threading.Event:
    """Return an event that the first signal sets; call it from the main thread.

    Ray installs handlers of its own when a cluster is joined, so this comes after.
    """
    interrupted = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        interrupted.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return interrupted
