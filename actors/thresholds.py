"""`thresholds`: show from which scores there are alerts, and change them while it runs."""

from __future__ import annotations

import getpass
import os
import socket
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from actors.runner import running_pipeline
from pipeline.config_file import retuned
from pipeline.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.client import PipelineClient
    from pipeline.changes import Outcome

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


def _print(pipeline: PipelineClient, symbol: str | None) -> None:
    config = pipeline.config()
    table = Table("symbol", "budget", title="scores from which there are alerts")
    for name in ("an alert", "major", "critical"):
        table.add_column(name, justify="right")
    for row in pipeline.snapshot(sys.maxsize).health.iter_rows(named=True):
        if symbol in {None, row["symbol"]}:
            budget = config.detector_of(row["symbol"]).budget
            rates = "-" if budget is None else f"{budget.minor} {budget.major} {budget.critical}"
            scores = (f"{row[name]:.2f}" for name in ("enter", "major", "critical"))
            table.add_row(row["symbol"], rates, *scores)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for one in pipeline.report()["changes"]:
        change = one["change"]
        told = "" if one["refused"] is None else f", refused: {one['refused']}"
        whose, settings = change["symbol"] or "all", " ".join(change["settings"])
        console.print(
            f"{change['asked']} {change['by']}: {whose} {settings} ({change['why']}){told}"
        )
