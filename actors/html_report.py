"""Reports as pages. What draws them is named, not imported: nothing below it knows it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_WRITER = "viz.reports.page:write_report"


def write_html(kind: str, report: Mapping[str, Any], path: Path) -> None:
    """Write a report of `evaluate` as one file of HTML.

    Args:
        kind: `sim`, `nab` or `klines`.
        report: Of it.
        path: Of the file.

    Raises:
        OutputError: It cannot be written.
    """
    module, _, name = _WRITER.partition(":")
    write: Callable[..., None] = getattr(import_module(module), name)
    write(kind, report, path)
