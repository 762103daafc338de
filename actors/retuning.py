"""Changes of thresholds while the pipeline runs, each written down before it is made."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.changes import Outcome
from pipeline.config_file import CHANGEABLE, retuned
from pipeline.errors import CryptoctopusError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.changes import Change
    from pipeline.config import Config

logger = logging.getLogger(__name__)


class Audit:
    """The file that every change is written to, a JSON object a line; it only grows.

    Args:
        path: Made with its directory when it is needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def settle(self, change: Change, config: Config) -> tuple[Config, Outcome]:
        """Return the configuration after a change, and what became of it.

        A change that cannot be written down is not made, nor is one that makes no sense.

        Args:
            change: What was asked.
            config: In effect.
        """
        try:
            after = retuned(config, change.symbol, change.settings)
            self._write(change, config, after)
        except CryptoctopusError as error:
            logger.warning("thresholds not changed number=%d: %s", change.number, error)
            return config, Outcome(change, str(error))
        logger.info(
            "thresholds changed symbol=%s settings=%s by=%s",
            change.symbol or "all",
            " ".join(change.settings),
            change.by,
        )
        return after, Outcome(change, None)

    def _write(self, change: Change, before: Config, after: Config) -> None:
        told = msgspec.to_builtins(change)
        told |= {"before": _thresholds(before, change), "after": _thresholds(after, change)}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(told) + b"\n")
        except OSError as error:
            raise OutputError(f"{self._path}: expected to write here: {error}") from error


def _thresholds(config: Config, change: Change) -> dict[str, Any]:
    """Return what can change of the detector that a change is about."""
    detector = config.detector if change.symbol is None else config.detector_of(change.symbol)
    return detector.model_dump(mode="json", include=set(CHANGEABLE))
