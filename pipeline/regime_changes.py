"""Changes of volatility as events: those of all symbols, the newest, each told once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from pipeline.schema import REGIME_CHANGES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: So many are kept; then the one that was found at the earliest time leaves.
MAX_CHANGES = 1_000

_KEY = ["symbol", "time"]


class RegimeChanges:
    """What CUSUM found, see `pipeline.regimes`, in the samples that were told.

    A sample that is told again takes the place of what it told before. Once any have left, a sample
    that is not newer than all of these, and whose change is not there, is left out: it may be one
    that has left, which would count twice.

    Args:
        step_us: The grid step.
    """

    def __init__(self, step_us: int) -> None:
        self._step = pl.duration(microseconds=step_us)
        self._frame = REGIME_CHANGES.to_frame()
        self._counts: Counter[str] = Counter()
        self._left: datetime | None = None  # the newest that have left

    def push(self, samples: pl.DataFrame) -> None:
        """Take in SAMPLES."""
        has_changed = pl.col("regime_change") != 0
        of_note = samples.filter(has_changed | (pl.col("revision") > 0)).with_columns(
            time=pl.col("open_time") + self._step, direction="regime_change"
        )
        if of_note.is_empty():
            return
        # Of a sample that is told twice at once, the later one counts.
        of_note = of_note.unique(_KEY, keep="last", maintain_order=True)
        if self._left is not None:
            there = of_note.join(self._frame, on=_KEY, how="semi", maintain_order="left")
            absent = of_note.join(self._frame, on=_KEY, how="anti", maintain_order="left")
            of_note = pl.concat([there, absent.filter(pl.col("time") > self._left)])
        again = self._frame.join(of_note, on=_KEY, how="semi")
        self._counts.subtract(again["symbol"])
        new = of_note.filter(has_changed).select(REGIME_CHANGES.names())
        self._counts.update(new["symbol"])
        kept = self._frame.join(of_note, on=_KEY, how="anti", maintain_order="left")
        self._keep(pl.concat([kept, new]).sort("time", maintain_order=True))

    def _keep(self, changes: pl.DataFrame) -> None:
        """Keep the newest of changes that are in order of time."""
        too_many = changes.height - MAX_CHANGES
        if too_many > 0:
            self._left = changes["time"][too_many - 1]
        self._frame = changes.tail(MAX_CHANGES)

    def frame(self) -> pl.DataFrame:
        """Return REGIME_CHANGES, by time."""
        return self._frame

    def counts(self) -> Mapping[str, int]:
        """Return by symbol how many were found, with those that have left; 0 for any other."""
        return self._counts
