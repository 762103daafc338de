"""The scoreboard as it fills, on a terminal or in a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.chaos.scenarios import Scenario
    from pipeline.chaos.scoreboard import Outcome

_COLUMNS = (
    "fault", "issued", "live", "backfilled", "lost", "expected lost", "mistaken", "applied twice",
    "hash", "bars", "detected s", "healed s", "needless", "false alerts", "missed", "",
)  # fmt: skip


class Scoreboard:
    """Rows as they come, and how far it is."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._table = Table(*_COLUMNS)

    def begin(self, name: str) -> None:
        """Say what is being played."""
        self._progress.update(self._task, description=name)

    def add(self, name: str, outcome: Outcome) -> None:
        """Add what came of it."""
        self._progress.advance(self._task)
        equal = {True: "equal", False: "NOT EQUAL"}
        self._table.add_row(
            name,
            *(f"{getattr(outcome, one):,}" for one in ("issued", "live", "backfilled", "lost")),
            f"{outcome.expected_lost:,}",
            f"{outcome.mistaken_lost:,}",
            f"{outcome.duplicates_applied:,}",
            equal[outcome.hash_equal],
            equal[outcome.bars_equal],
            _detected(outcome),
            _healed(outcome),
            "-" if outcome.needless is None else f"{outcome.needless:,}",
            f"{outcome.false_alerts:,}",
            f"{outcome.missed_alerts:,}",
            "ok" if outcome.is_good else "FAILED",
        )

    @property
    def table(self) -> Table:
        """All rows."""
        return self._table


def _detected(outcome: Outcome) -> str:
    if outcome.detect_within_s is None:
        return "-"
    found = "never" if outcome.detect_s is None else f"{outcome.detect_s:.1f}"
    return found if outcome.noticed_in_time else f"{found} > {outcome.detect_within_s:.1f}"


def _healed(outcome: Outcome) -> str:
    if outcome.heal_s is None:
        return "never"
    return f"{outcome.heal_s:.1f}" if outcome.needless is None else "-"


@contextmanager
def show(scenarios: Sequence[Scenario]) -> Iterator[Scoreboard]:
    """Show progress on stderr while scenarios are played, then print the table on stdout."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    errors = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=errors, transient=True) as progress:
        board = Scoreboard(progress, len(scenarios))
        try:
            yield board
        finally:
            progress.stop()
            # A table in a pipe is for reading too: 80 columns would cut it.
            Console(width=None if sys.stdout.isatty() else 200).print(board.table)
