"""`make bench`: measurements as tables, and as build/bench.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.board_size import board_size
from tests.benchmarks.chaos import chaos
from tests.benchmarks.feed_load import feed_load
from tests.benchmarks.shard_path.job import shard_path
from tests.benchmarks.start import start
from tests.benchmarks.tables import markdown_table, terminal_table, write_page
from tests.benchmarks.timing import PROGRESS

RESULT = Path("build/bench.json")
PAGE = Path("docs/benchmarks.md")
PACKAGES = (
    *("polars", "numpy", "numba", "ray", "bokeh", "websocket-client", "aiohttp"),
    *("pandas", "duckdb", "bytewax", "river"),
)


@dataclass(frozen=True, slots=True)
class Job:
    """A job that prints its figures as JSON, in a process of its own.

    Attributes:
        module: What to run.
        environment: Settings that a library reads once, when it is loaded.
    """

    module: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self) -> Any:  # noqa: ANN401 - figures
        """Return the figures."""
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | self.environment
        command = [sys.executable, "-m", self.module]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own modules
        return json.loads(done.stdout)


#: As the symbol actors run.
_ONE_THREAD = {"POLARS_MAX_THREADS": "1"}

COMPUTE = {
    "history": Job("tests.benchmarks.history.job"),
    "rolling": Job("tests.benchmarks.rolling.job"),
    "flush": Job("tests.benchmarks.flush", _ONE_THREAD),
    "window length": Job("tests.benchmarks.window_length"),
    "exactness": Job("tests.benchmarks.exactness.job"),
    "memory": Job("tests.benchmarks.memory"),
    "broken frames": Job("tests.benchmarks.broken_frames"),
}
LIVE = {
    "board": lambda _: board_size(),
    "shard path": shard_path,
    "start of the demo": start,
    "feed at 20,000 trades/s": feed_load,
    "chaos": chaos,
}


def main(argv: list[str] | None = None) -> None:
    """Run jobs one after the other, and write what they measured."""
    options = _options(argv)
    # A file or a pipe has no width of its own.
    console = Console(width=None if sys.stdout.isatty() else 160)
    names = options.only or [*COMPUTE, *LIVE]
    jobs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            PROGRESS.print(f"{name} ...")
            jobs[name] = COMPUTE[name].run() if name in COMPUTE else LIVE[name](Path(folder))
            console.print(terminal_table(name, jobs[name]))
    result = _with_earlier(jobs)
    RESULT.parent.mkdir(exist_ok=True)
    _write(RESULT, result)
    console.print(f"written to {RESULT}")
    if options.markdown:
        _write(PAGE.with_suffix(".json"), result)
        parts = {name: markdown_table(peers) for name, peers in jobs.items()}
        unmarked = write_page(PAGE, {"machine": _machine(result)} | parts)
        console.print(f"tables written to {PAGE}, but for: {', '.join(unmarked) or 'none'}")


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=[*COMPUTE, *LIVE], metavar="NAME")
    parser.add_argument("--markdown", action="store_true", help=f"also put the tables into {PAGE}")
    parser.epilog = f"names: {', '.join([*COMPUTE, *LIVE])}"
    return parser.parse_args(argv)


def _with_earlier(jobs: dict[str, Any]) -> dict[str, Any]:
    """Return the result; what was measured before and not now stays."""
    before = json.loads(RESULT.read_text(encoding="utf-8"))["jobs"] if RESULT.exists() else {}
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "jobs": before | jobs,
    }


def _write(path: Path, result: dict[str, Any]) -> None:
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _machine(result: dict[str, Any]) -> str:
    """Return what it was measured on, as a line."""
    versions = ", ".join(f"{package} {found}" for package, found in result["versions"].items())
    return f"{result['machine']}; Python {result['python']}; {versions}.\n"


if __name__ == "__main__":
    main()
