"""What `run`, `status` and `stop` do on a cluster."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from actors import deployment
from actors.client import PipelineClient, find_pipeline
from actors.interruption import INTERRUPTED, interruption
from actors.session import COORDINATOR, join_cluster, leave_cluster
from actors.supervise import Pipeline
from pipeline.errors import AddressError, ClusterError, CryptoctopusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Event

    from pipeline.config import Config
    from pipeline.config_sections import BoardConfig

logger = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 60.0


def run_pipeline(
    config: Config,
    config_path: str,
    *,
    address: str | None,
    run_for_s: float | None,
    report_path: Path | None,
) -> int:
    """Run a pipeline until it is interrupted, asked to stop, or its time is over.

    Returns:
        The exit code: 0, or 130 when interrupted.

    Raises:
        CryptoctopusError: It could not start, or lost an actor for good.
    """
    if report_path is not None:
        check_writable(report_path)
    is_local = (address or os.environ.get("RAY_ADDRESS") or "local") == "local"
    if is_local and config.board.serve:
        _check_port(config.board)
    # Before Ray, so that an early Ctrl-C waits for it to be up; and after, for Ray sets its own.
    interrupted = interruption()
    try:
        join_cluster(address)
        interruption(interrupted)
        if not interrupted.is_set():
            _run(Pipeline(config, config_path), interrupted, run_for_s, report_path)
    finally:
        leave_cluster()
    return INTERRUPTED if interrupted.is_set() else 0


def _run(
    pipeline: Pipeline, interrupted: Event, run_for_s: float | None, report_path: Path | None
) -> None:
    url = pipeline.start()
    print(f"board: {url}" if url else "running without a board", flush=True)  # noqa: T201 - the result
    try:
        _watch(pipeline, interrupted, run_for_s)
    finally:
        report = pipeline.stop()
    if report_path is not None and report is not None:
        report_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _watch(pipeline: Pipeline, interrupted: Event, run_for_s: float | None) -> None:
    """Watch until something ends the run."""
    end_s = None if run_for_s is None else time.monotonic() + run_for_s
    while True:
        left_s = pipeline.rest_s
        if end_s is not None:
            left_s = min(left_s, end_s - time.monotonic())
        if left_s <= 0 or interrupted.wait(left_s) or pipeline.watch():
            return


def check_writable(path: Path) -> None:
    """Fail before anything starts when a report could not be written in the end."""
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise CryptoctopusError(f"--report: cannot write {path}: {error.strerror}") from error


def _check_port(board: BoardConfig) -> None:
    """Fail before anything starts when the board's port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in board.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((board.host, board.port))
        except OSError as error:
            raise AddressError(
                f"board: cannot listen on {board.host}:{board.port}: {error.strerror}; "
                "choose another with --set board.port=5007"
            ) from error


@contextmanager
def running_pipeline(address: str | None) -> Iterator[PipelineClient]:
    """Join the cluster and yield the pipeline that runs there.

    Raises:
        ClusterError: No cluster, or no pipeline on it.
    """
    join_cluster(address or os.environ.get("RAY_ADDRESS") or "auto")
    try:
        pipeline = find_pipeline()
        if pipeline is None:
            raise ClusterError("no pipeline runs on this cluster: `cryptoctopus run` starts one")
        yield pipeline
    finally:
        leave_cluster()


def stop_pipeline(address: str | None) -> None:
    """Stop the running pipeline, through whoever supervises it, or else from here."""
    with running_pipeline(address) as pipeline:
        pipeline.request_stop()
        deadline_s = time.monotonic() + _STOP_TIMEOUT_S / 2
        while COORDINATOR in deployment.actors_named() and time.monotonic() < deadline_s:
            time.sleep(0.2)
        left = deployment.actors_named()
        if left:
            logger.warning("nobody supervises the pipeline: draining %d actors", len(left))
            symbols = [actor for name, actor in left.items() if name.startswith("shard:")]
            deployment.drain(symbols, timeout_s=_STOP_TIMEOUT_S / 2)
            deployment.end(list(left.values()))
