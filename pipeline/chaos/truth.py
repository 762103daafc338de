"""What a pipeline should have said, and whether it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.schema import MARKET_SYMBOL

if TYPE_CHECKING:
    from pipeline.analysis import StepResult

_BAR = ["symbol", "open_time"]


class Truth:
    """What the same engine says of the same ids when nothing goes wrong.

    Args:
        told: All of it.
        step_us: The grid step.
    """

    def __init__(self, told: StepResult, step_us: int) -> None:
        self._bars = told.bars.drop("revision")
        self._alerts = told.alerts.unique("alert_id", keep="last")
        self._step_us = step_us

    def has_bars(self, bars: pl.DataFrame) -> bool:
        """Whether BARS, the last told of each step, are its own from the first told to the last."""
        last = bars.unique(_BAR, keep="last", maintain_order=True).drop("revision")
        spans = last.group_by("symbol").agg(first=pl.min("open_time"), last=pl.max("open_time"))
        own = self._bars.join(spans, on="symbol").filter(
            pl.col("open_time").is_between("first", "last")
        )
        all_told = set(last["symbol"]) == set(self._bars["symbol"])
        same = own.select(last.columns).sort(_BAR).equals(last.sort(_BAR), null_equal=True)
        return all_told and same

    def count_unknown(self, alerts: pl.DataFrame) -> int:
        """Return how many ALERTS of symbols stand that it has not; of the market it says none."""
        own = _standing(alerts).filter(pl.col("symbol") != MARKET_SYMBOL)
        return own.join(self._alerts, on="alert_id", how="anti").height

    def count_missed(self, alerts: pl.DataFrame, bars: pl.DataFrame) -> int:
        """Return how many of its alerts do not stand, of those that began by the end of BARS.

        Args:
            alerts: ALERTS that were told.
            bars: BARS that were told with them.
        """
        began = pl.col("start_time") > pl.col("first")
        spans = bars.group_by("symbol").agg(first=pl.min("open_time"), last=pl.max("open_time"))
        ended = pl.col("last").dt.offset_by(f"{self._step_us}us")
        due = self._alerts.join(spans, on="symbol").filter(began, pl.col("start_time") <= ended)
        return due.join(_standing(alerts), on="alert_id", how="anti").height


def _standing(alerts: pl.DataFrame) -> pl.DataFrame:
    """Return ALERTS that were not taken back."""
    return alerts.filter(pl.col("status") != "retracted")
