"""Where logs go, in the command's process and in every actor's: to stderr, a line an event."""

from __future__ import annotations

import logging
import sys


def configure_logging() -> None:
    """Log what changes at INFO, what is degraded at WARNING, what is lost at ERROR."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(name)s %(message)s",
    )
