"""Gives the hub a source when the server that loads this app has not done so.

The coordinator serves this app itself, with its own source. `bokeh serve viz` attaches to a
running pipeline or starts the demo; `--args CONFIG` names another configuration.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipeline.errors import CryptoctopusError
from viz.hub import HUB

if TYPE_CHECKING:
    from bokeh.application.application import ServerContext

# Bokeh sets the arguments only while it loads this file.
CONFIG = sys.argv[1] if len(sys.argv) > 1 else None

#: What loading opened and unloading closes.
OPENED = ExitStack()


def on_server_loaded(_server_context: ServerContext) -> None:
    """Attach to a pipeline, unless the hub has its source.

    Raises:
        SystemExit: There is no pipeline and none can be started.
    """
    if HUB.running:
        return
    from actors.attach import board_source  # noqa: PLC0415 - only this way needs Ray

    try:
        source = board_source(CONFIG)
    except CryptoctopusError as error:
        # Bokeh would log an exception of a hook and go on to serve an empty page.
        print(error, file=sys.stderr)  # noqa: T201 - the one message of a server that cannot start
        raise SystemExit(1) from error
    OPENED.callback(source.close)
    HUB.start(source)


def on_server_unloaded(_server_context: ServerContext) -> None:
    """Stop pulling the source, and end what was started for it."""
    HUB.stop()
    OPENED.close()
