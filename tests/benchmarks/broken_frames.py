"""What becomes of a million frames of which most are broken: read, or rejected with a reason.

A frame of the second venue may hold several rows, each of which is told by itself.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import Any

from tests.benchmarks.timing import PROGRESS
from tests.fuzz.run import fuzz

FRAMES, SEED = 1_000_000, 1

#: How an outcome starts that is no data.
_REFUSED = ("rejected", "refused")


def broken_frames(frames: int = FRAMES, seed: int = SEED) -> dict[str, dict[str, Any]]:
    """Return, by parser, how much it told, read and rejected, and for how many reasons.

    Raises:
        AssertionError: A frame was neither, or not counted; any other exception is a crash.
    """
    began_s = time.perf_counter()
    with PROGRESS.status("broken frames"):
        (progress,) = deque(fuzz(frames, seed), maxlen=1)
    wall_s = time.perf_counter() - began_s
    figures = {}
    for target, outcomes in sorted(progress.outcomes.items()):
        refused = {name: n for name, n in outcomes.items() if name.startswith(_REFUSED)}
        told = sum(outcomes.values())
        figures[target] = {
            "told": told,
            "read": told - sum(refused.values()),
            "rejected": sum(refused.values()),
            "reasons": len(refused),
        }
    names = ("told", "read", "rejected")
    total = {name: sum(one[name] for one in figures.values()) for name in names}
    total |= {"frames": progress.frames, "frames_per_s": round(frames / wall_s)}
    return figures | {"all": total}


if __name__ == "__main__":
    json.dump(broken_frames(), sys.stdout)
