"""What `cryptoctopus batch` does: parts as Ray tasks, a chain a symbol, resumable at any point."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError
from rich.console import Console
from rich.table import Table

from actors.batch_progress import batch_progress
from actors.interruption import INTERRUPTED, interruption
from actors.locking import locked
from actors.session import join_cluster, leave_cluster
from pipeline.batch.fingerprint import code_digest, config_digest
from pipeline.batch.folder import BatchFolder
from pipeline.batch.parts import run_part
from pipeline.batch.plan import PART_ROWS, Backlog, plan_parts
from pipeline.batch.sources import check_sources, look_at, named_paths
from pipeline.batch.summary import write_results
from pipeline.errors import ClusterError, CryptoctopusError, ReplayError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from threading import Event

    from ray import ObjectRefGenerator

    from actors.batch_progress import BatchProgress
    from pipeline.batch.plan import Part
    from pipeline.batch.sources import Source
    from pipeline.config import Config

logger = logging.getLogger(__name__)

#: How soon an interruption is noticed.
_WAIT_S = 0.5
_ANSWER_TIMEOUT_S = 60.0

#: A worker that died is tried again: what it had written is written again, the same.
_TASK: dict[str, Any] = {
    "num_cpus": 1,
    "num_returns": "streaming",
    "max_retries": 2,
    "runtime_env": {"env_vars": {"POLARS_MAX_THREADS": "1"}},
}

_TOLD = ("bars", "alerts", "lost", "late", "rejected")

#: A batch of which more comes late is told of: a row with a time far ahead makes all after it late.
_MUCH_LATE = 0.01


def run_batch(  # noqa: PLR0913 - the options of one command by name
    config: Config,
    config_path: str,
    inputs: Sequence[str],
    *,
    out: Path,
    symbol: str | None,
    workers: int | None,
    address: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Compute the history in files; return the exit code: 0, 1 when nothing could be read, or 130.

    Raises:
        CryptoctopusError: The inputs, the configuration or the directory do not go together, the
            cluster cannot be reached, or a part failed.
    """
    interrupted = interruption()
    given = named_paths(inputs, symbol)
    folder = BatchFolder(out.absolute())
    folder.open()
    with locked(folder.lock_path, f"--out {folder.path}: another batch works here"):
        sources, damaged = _look(given, interrupted)
        if interrupted.is_set():
            return INTERRUPTED
        check_sources(sources, config.sampling.step_us, config_path)
        if not sources:
            raise CryptoctopusError("\n".join(damaged.values()))
        folder.claim(config, force=force)
        results_of = (config_digest(config), code_digest(config.plugins))
        chains = plan_parts(sources, part_rows=PART_ROWS, results_of=results_of)
        folder.keep(chains)
        parts = [part for chain in chains.values() for part in chain]
        left = [part for part in parts if folder.record(part) is None]
        folder.sweep(set(parts).difference(left))
        if left:
            _run_parts(left, config, folder, address, workers, interrupted)
        if interrupted.is_set():
            logger.warning("interrupted: the same command goes on from here")
            return INTERRUPTED
        summary = write_results(folder, config, chains, damaged)
    _tell(summary, as_json=as_json)
    return 0


def _look(
    given: Sequence[tuple[Path, str, str | None]], interrupted: Event
) -> tuple[list[Source], dict[str, str]]:
    """Return the files that can be read, and why the others cannot."""
    sources, damaged = [], {}
    for path, file, symbol in given:
        if interrupted.is_set():
            break
        try:
            sources.append(look_at(path, file, symbol))
        except ReplayError as error:
            damaged[file] = str(error)
    return sources, damaged


def _run_parts(
    left: Sequence[Part],
    config: Config,
    folder: BatchFolder,
    address: str | None,
    workers: int | None,
    interrupted: Event,
) -> None:
    """Run parts on a cluster until none is left, or until interrupted."""
    try:
        join_cluster(address)
        interruption(interrupted)  # Ray sets handlers of its own
        if workers is None:
            workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        with batch_progress(left) as progress:
            _run(Backlog(left), config, folder, workers, progress, interrupted)
    finally:
        leave_cluster()


def _run(
    backlog: Backlog,
    config: Config,
    folder: BatchFolder,
    workers: int,
    progress: BatchProgress,
    interrupted: Event,
) -> None:
    """Keep up to `workers` parts running until none is left."""
    task = ray.remote(run_part).options(**_TASK)
    running: dict[ObjectRefGenerator, Part] = {}
    while not interrupted.is_set():
        while len(running) < workers and (part := backlog.take()) is not None:
            running[task.remote(part, config, folder)] = part
        if not running:
            return
        ready, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
        if not ready:
            ready, _ = ray.wait(list(running), num_returns=1, timeout=_WAIT_S)
        for rows in ready:
            part = running[rows]
            read = _next_rows(rows, part)
            if read is None:
                del running[rows]
                backlog.finish(part)
                progress.finish(part)
            else:
                progress.read(part, read)
        progress.tell()


def _next_rows(rows: ObjectRefGenerator, part: Part) -> int | None:
    """Return the rows of the chunk that a part has done; null when it is done altogether.

    Raises:
        CryptoctopusError: It failed.
    """
    try:
        read: int = ray.get(next(rows), timeout=_ANSWER_TIMEOUT_S)
    except StopIteration:
        return None
    except RayTaskError as error:
        cause = error.cause
        reason = f"{type(cause).__name__}: {cause}"
        raise CryptoctopusError(f"{part.file}, {part.symbol}: {reason}") from error
    except RayError as error:
        reason = str(error).partition("\n")[0]
        raise ClusterError(f"{part.file}, {part.symbol}: the worker failed: {reason}") from error
    return read


def _tell(summary: dict[str, Any], *, as_json: bool) -> None:
    for row in summary["damaged"]:
        logger.warning("file damaged: %s", row["reason"])
    for name, symbol in summary["symbols"].items():
        rows = sum(report["rows"] for report in symbol["files"])
        if symbol["late"] > _MUCH_LATE * rows:
            logger.warning(
                "late symbol=%s trades=%d of rows=%d: bars do not have them; has a row before "
                "them a time that is far ahead?",
                name,
                symbol["late"],
                rows,
            )
        for report in symbol["files"]:
            if report["truncated"] is not None:
                logger.warning("file damaged: %s", report["truncated"])
    if as_json:
        print(json.dumps(summary))  # noqa: T201 - the result
    else:
        _print_table(summary)


def _print_table(summary: dict[str, Any]) -> None:
    table = Table()
    for column in ("symbol", "files", "rows", *_TOLD):
        left = column == "symbol"
        table.add_column(column.replace("_", " "), justify="left" if left else "right")
    for symbol, row in summary["symbols"].items():
        rows = sum(report["rows"] for report in row["files"])
        numbers = (len(row["files"]), rows, *(row[name] for name in _TOLD))
        table.add_row(symbol, *(f"{number:,}" for number in numbers))
    console = Console()
    # A table in a pipe is for reading too: 80 columns would cut it.
    console = console if console.is_terminal else Console(width=160)
    console.print(table)
