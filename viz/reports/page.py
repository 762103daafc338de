"""One file of HTML for a report: its plots, and what they say in numbers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from bokeh.embed import components
from bokeh.resources import Resources

from pipeline.errors import OutputError
from viz.reports.klines import klines_sections
from viz.reports.nab import nab_sections
from viz.reports.sim import sim_sections

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from viz.reports.plots import Section

_KINDS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Sequence[Section]]]] = {
    "sim": ("Detectors on a simulated market", sim_sections),
    "nab": ("Detectors on the Numenta Anomaly Benchmark", nab_sections),
    "klines": ("The detector on recorded months", klines_sections),
}

_STYLE = """
body { max-width: 1000px; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff;
       font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }
p { margin: 0 0 .75rem; color: #57606a; }
"""


def write_report(kind: str, report: Mapping[str, Any], path: Path) -> None:
    """Write a report as one file of HTML.

    Args:
        kind: `sim`, `nab` or `klines`.
        report: As `evaluate` returns it.
        path: Of the file.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        path.write_text(report_page(kind, report), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"--html {path}: expected to write here: {error}") from error


def report_page(kind: str, report: Mapping[str, Any]) -> str:
    """Return the HTML of a report; see `write_report`."""
    title, sections_of = _KINDS[kind]
    found = sections_of(report)
    script, parts = components([one.plot for one in found])
    sections = [
        f"<h2>{escape(one.title)}</h2>\n<p>{escape(one.note)}</p>\n{part}"
        for one, part in zip(found, parts, strict=True)
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            Resources(mode="inline", components=["bokeh"]).render(),
            f"</head><body><h1>{escape(title)}</h1>",
            *sections,
            script,
            "</body></html>\n",
        ]
    )
