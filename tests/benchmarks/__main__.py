"""`make bench`: measurements as a table, and as build/bench.json."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.board_size import board_size
from tests.benchmarks.feed_load import feed_load
from tests.benchmarks.start import start

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT = Path("build/bench.json")
PACKAGES = ("polars", "numpy", "numba", "ray", "bokeh", "websocket-client", "aiohttp")


def main() -> None:
    """Run every job, one after the other, and write what they measured."""
    console = Console()
    jobs: dict[str, dict[str, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        to_run: dict[str, Callable[[], dict[str, dict[str, Any]]]] = {
            "board": board_size,
            "start of the demo": lambda: start(Path(folder)),
            "feed at 20,000 trades/s": lambda: feed_load(Path(folder)),
        }
        for name, job in to_run.items():
            with console.status(name):
                jobs[name] = job()
            console.print(_table(name, jobs[name]))
    RESULT.parent.mkdir(exist_ok=True)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "jobs": jobs,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {RESULT}")


def _table(name: str, peers: dict[str, dict[str, Any]]) -> Table:
    """Return one column a peer, one row a figure."""
    table = Table(title=name)
    table.add_column("")
    for peer in peers:
        table.add_column(peer, justify="right")
    for figure in next(iter(peers.values())):
        table.add_row(figure, *(f"{found[figure]:,}" for found in peers.values()))
    return table


if __name__ == "__main__":
    main()
