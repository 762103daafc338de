"""Which alerts of symbols are part of one of the market: one card for one fact.

An episode of a symbol is folded into one of the market if it starts in it or no more than a written
time before or after it, both inclusive; the score it starts with has the sign the market started
with; and its residual score there is below the threshold it had to reach. That is decided once, by
how it started. One that starts at a step the market has taken without its symbol stays its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.schema import ALERTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.market_alerts import Wave

_NO_ALERTS = ALERTS.to_frame()

#: Folded alerts that are remembered, for what is told of them later; then the oldest is forgotten.
MAX_FOLDED = 1_000


@dataclass(slots=True)
class _Start:
    """An alert that is not decided yet: its newest row; and the sign of its score, once known."""

    row: dict[str, Any]
    start_us: int
    direction: int | None = None


class Folding:
    """Decides on alerts as the market's steps are taken.

    Args:
        within_us: How far from an episode of the market one of a symbol may start.
    """

    def __init__(self, within_us: int) -> None:
        self._within_us = within_us
        self._undecided: dict[str, _Start] = {}
        self._parents: dict[str, str] = {}

    def tell(self, alerts: pl.DataFrame) -> pl.DataFrame:
        """Take in ALERTS of symbols; return them, the folded ones marked, with a revision more."""
        if alerts.is_empty():
            return alerts
        rows = []
        starts_us = alerts["start_time"].to_physical().to_list()
        for row, start_us in zip(alerts.iter_rows(named=True), starts_us, strict=True):
            name = row["alert_id"]
            if name in self._undecided:
                self._undecided[name].row = row
            elif name not in self._parents:
                self._undecided[name] = _Start(row, start_us)
            rows.append(self._marked(row))
        return pl.DataFrame(rows, schema=ALERTS, orient="row")

    def decide(
        self,
        end_us: NDArray[np.int64],
        scores: NDArray[np.float64],
        residuals: NDArray[np.float64],
        columns: Mapping[str, int],
        waves: Sequence[Wave],
    ) -> pl.DataFrame:
        """Return ALERTS of symbols that turn out to be part of the market's.

        Args:
            end_us: When the steps end that were taken.
            scores: Signed, a row a step and a column a symbol.
            residuals: Likewise.
            columns: By symbol.
            waves: The market's episodes up to the last of these steps.
        """
        until_us = int(end_us[-1])
        folded = []
        for name, start in list(self._undecided.items()):
            if start.start_us > until_us:
                continue
            if start.direction is None:
                step = int(np.searchsorted(end_us, start.start_us))
                at = step, columns[start.row["symbol"]]
                is_taken = end_us[step] == start.start_us
                if not (is_taken and abs(residuals[at]) < start.row["threshold"]):
                    del self._undecided[name]
                    continue
                start.direction = int(np.sign(scores[at]))
            parent = self._parent_of(start, waves)
            if parent is not None:
                self._remember(name, parent)
                folded.append(self._marked(start.row))
            if parent is not None or until_us >= start.start_us + self._within_us:
                del self._undecided[name]
        return pl.DataFrame(folded, schema=ALERTS, orient="row") if folded else _NO_ALERTS

    def _parent_of(self, start: _Start, waves: Sequence[Wave]) -> str | None:
        near = (
            wave.alert_id
            for wave in waves
            if wave.direction == start.direction and wave.covers(start.start_us, self._within_us)
        )
        return next(near, None)

    def _remember(self, name: str, parent: str) -> None:
        self._parents[name] = parent
        if len(self._parents) > MAX_FOLDED:
            del self._parents[next(iter(self._parents))]

    def _marked(self, row: dict[str, Any]) -> dict[str, Any]:
        parent = self._parents.get(row["alert_id"])
        if parent is None:
            return row
        folded = {"scope": "market", "parent_id": parent, "revision": row["revision"] + 1}
        return row | folded
