"""The alerts told of late, and what is to be told of them when the past has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.schema import ALERTS

if TYPE_CHECKING:
    from collections.abc import Mapping


class AlertLog:
    """Every alert in the state it was last told in, until it has ended and is out of reach."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, Any]] = {}

    def follow(self, alerts: pl.DataFrame) -> None:
        """Remember ALERTS that were told."""
        for row in alerts.iter_rows(named=True):
            self._told[row["alert_id"]] = row

    def forget(self, symbol: str) -> None:
        """Forget the alerts of a symbol."""
        self._told = {name: row for name, row in self._told.items() if row["symbol"] != symbol}

    def forget_ended(self, symbol: str, until_us: int, open_us: int | None) -> None:
        """Forget those of a symbol that had ended by a time; see `after`."""
        kept = self.after(symbol, until_us, open_us)
        self._told = {
            name: row for name, row in self._told.items() if row["symbol"] != symbol or name in kept
        }

    def after(self, symbol: str, since_us: int, open_us: int | None) -> dict[str, dict[str, Any]]:
        """Return the alerts of a symbol that had not ended by a time, by their ids.

        Args:
            symbol: Whose.
            since_us: The time.
            open_us: When the one started that was open then; null without one. Its end may be told
                later as one before that time: with the newest score.
        """
        since, opened = _time(since_us), None if open_us is None else _time(open_us)
        return {
            name: row
            for name, row in self._told.items()
            if row["symbol"] == symbol
            and (row["end_time"] is None or row["end_time"] > since or row["start_time"] == opened)
        }

    def retell(
        self, before: Mapping[str, dict[str, Any]], now: pl.DataFrame, still_open: pl.DataFrame
    ) -> pl.DataFrame:
        """Return the alerts that are not as they were told.

        Args:
            before: What was told of the time that is gone through again.
            now: ALERTS that going through it again gave.
            still_open: Of the symbol, if there is one.

        Returns:
            ALERTS with higher revisions; `retracted` are those that there are no more.
        """
        again = {row["alert_id"]: row for row in still_open.iter_rows(named=True)}
        again |= {row["alert_id"]: row for row in now.iter_rows(named=True)}
        rows = []
        for name, row in again.items():
            told = before.get(name)
            if told is None:
                rows.append(row)
            elif _facts(row) != _facts(told):
                rows.append({**row, "revision": told["revision"] + 1})
        rows += [
            {**told, "status": "retracted", "revision": told["revision"] + 1}
            for name, told in before.items()
            if name not in again and told["status"] != "retracted"
        ]
        different = pl.DataFrame(rows, schema=ALERTS, orient="row")
        self.follow(different)
        return different


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "revision"}


def _time(time_us: int) -> Any:  # noqa: ANN401 - a datetime, as rows of a frame have them
    return pl.Series([time_us]).cast(ALERTS["start_time"])[0]
