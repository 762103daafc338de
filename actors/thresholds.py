"""`thresholds`: show from which scores there are alerts, and change them while it runs."""

from __future__ import annotations

import getpass
import os
import socket
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console
from rich.table import Table

from actors.runner import running_pipeline
from pipeline.config_file import retuned
from pipeline.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.client import PipelineClient
    from pipeline.changes import Outcome
    from pipeline.config import Config

_SETTLED_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.2


def run_thresholds(
    symbol: str | None, settings: Sequence[str], why: str, *, address: str | None
) -> None:
    """Change thresholds, if any are given, and print those in force and what was changed.

    Args:
        symbol: Whose; null for all.
        settings: Such as `enter=7`.
        why: For the audit.
        address: Of the cluster.

    Raises:
        ConfigError: The change makes no sense, or was refused.
        ClusterError: Nobody made the change in time.
    """
    with running_pipeline(address) as pipeline:
        retuned(pipeline.config(), symbol, settings)  # tells what is wrong before anybody is asked
        if settings:
            number = pipeline.ask_change(
                asked=datetime.now(UTC), by=_who(), symbol=symbol, settings=settings, why=why
            )
            outcome = _outcome(pipeline, number)
            if outcome.refused is not None:
                raise ConfigError("thresholds", [outcome.refused])
        _print(pipeline, symbol)


def _outcome(pipeline: PipelineClient, number: int) -> Outcome:
    until_s = time.monotonic() + _SETTLED_WITHIN_S
    while time.monotonic() < until_s:
        outcome = pipeline.change_outcome(number)
        if outcome is not None:
            return outcome
        time.sleep(_LOOK_EVERY_S)
    raise ClusterError(
        f"the change was not made within {_SETTLED_WITHIN_S:.0f} s: "
        "whoever started the pipeline does not look after it"
    )


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def in_force(config: Config, health: pl.DataFrame, symbol: str | None) -> Table | str:
    """Return the scores from which there are alerts, or why none can be told.

    Args:
        config: In effect.
        health: HEALTH, which has them.
        symbol: Whose; null for all.
    """
    rows = health if symbol is None else health.filter(pl.col("symbol") == symbol)
    if rows.is_empty():
        return "no scores can be told yet: the symbols are starting"
    table = Table("symbol", "budget", title="scores from which there are alerts")
    for name in ("an alert", "major", "critical"):
        table.add_column(name, justify="right")
    for row in rows.iter_rows(named=True):
        budget = config.detector_of(row["symbol"]).budget
        rates = "-" if budget is None else f"{budget.minor} {budget.major} {budget.critical}"
        scores = (f"{row[name]:.2f}" for name in ("enter", "major", "critical"))
        table.add_row(row["symbol"], rates, *scores)
    return table


def _print(pipeline: PipelineClient, symbol: str | None) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    health = pipeline.snapshot(sys.maxsize).health
    console.print(in_force(pipeline.config(), health, symbol))
    for one in pipeline.report()["changes"]:
        change = one["change"]
        told = "" if one["refused"] is None else f", refused: {one['refused']}"
        whose, settings = change["symbol"] or "all", " ".join(change["settings"])
        console.print(
            f"{change['asked']} {change['by']}: {whose} {settings} ({change['why']}){told}"
        )
