"""A board in a process of its own: attach to the running pipeline, or start the demo."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from actors.client import find_pipeline
from actors.demo import DEMO_CONFIG
from actors.plugins import look_here
from actors.session import join_cluster, leave_cluster
from actors.supervise import Pipeline
from pipeline.config_file import load_config
from pipeline.errors import ClusterError, CryptoctopusError

if TYPE_CHECKING:
    from pipeline.board import BoardSnapshot, BoardSource

logger = logging.getLogger(__name__)


class AttachedBoard:
    """A BoardSource that ends what it started.

    Args:
        source: Of the running pipeline.
        owned: The pipeline, if it was started here.
    """

    def __init__(self, source: BoardSource, owned: Pipeline | None) -> None:
        self._source = source
        self._owned = owned
        self._closing = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="supervise", daemon=True)
        if owned is not None:
            self._watching.start()

    def snapshot(self, since: int) -> BoardSnapshot:
        """Return what changed after a version; see BoardSource."""
        return self._source.snapshot(since)

    def close(self) -> None:
        """Leave the cluster; a pipeline that was started here is drained first."""
        self._closing.set()
        if self._owned is not None:
            self._watching.join(timeout=10)
            self._owned.stop()
        leave_cluster()

    def _watch(self) -> None:
        pipeline = self._owned
        while pipeline is not None:
            if self._closing.wait(pipeline.rest_s):
                return
            try:
                if pipeline.watch():
                    logger.warning("the pipeline was asked to stop: this board ends it on exit")
            except CryptoctopusError:
                logger.exception("the pipeline is lost")
                return


def board_source(config: str | None) -> AttachedBoard:
    """Attach to the pipeline of RAY_ADDRESS or of this machine's cluster, or start one.

    Args:
        config: What to start if none runs; null is the demo.

    Raises:
        CryptoctopusError: The cluster cannot be joined, or the pipeline not started.
    """
    address = os.environ.get("RAY_ADDRESS")
    try:
        join_cluster(address or "auto")
    except ClusterError:
        if address is not None:
            raise
        join_cluster("local")
    running = find_pipeline()
    if running is not None:
        return AttachedBoard(running, None)
    path = DEMO_CONFIG if config is None else Path(config)
    logger.info("no pipeline runs: starting %s", path.name)
    # The board is this process; the coordinator serves none.
    look_here()
    pipeline = Pipeline(load_config(path, ["board.serve=false"]), str(path))
    pipeline.start()
    started = find_pipeline()
    assert started is not None  # noqa: S101 - it was started just now
    return AttachedBoard(started, pipeline)
