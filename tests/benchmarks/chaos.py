"""The scoreboard of `cryptoctopus chaos`, as a row a fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.benchmarks.timing import PROGRESS
from tests.commands import Command

_SHOWN = (
    "issued", "live", "backfilled", "lost", "expected_lost", "mistaken_lost", "duplicates_applied",
    "hash_equal", "bars_equal", "detect_s", "detect_within_s", "heal_s", "needless",
    "false_alerts", "missed_alerts",
)  # fmt: skip


def chaos(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what became of every trade under each fault."""
    report = folder / "chaos.json"
    command = Command("chaos", "--report", str(report), log=folder / "chaos.log")
    try:
        with PROGRESS.status("chaos"):
            code = command.wait(deadline_s=1_800.0)
        # A bad scoreboard is a measurement, too.
        assert report.exists(), f"ended with {code}: {command.errors[-2000:]}"
    finally:
        command.end()
    faults = json.loads(report.read_text(encoding="utf-8"))["faults"]
    return {name: {column: row[column] for column in _SHOWN} for name, row in faults.items()}
