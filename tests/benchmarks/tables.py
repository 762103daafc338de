"""Figures as tables: for the terminal, and for the page of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

Figures = dict[str, dict[str, Any]]

MOST_COLUMNS = 12


def terminal_table(name: str, peers: Figures) -> Table:
    """Return the figures of every peer."""
    heading, *rows = _cells(peers)
    table = Table(title=name)
    for at, column in enumerate(heading):
        table.add_column(column, justify="right" if at else "left")
    for row in rows:
        table.add_row(*row)
    return table


def write_page(page: Path, parts: dict[str, str]) -> list[str]:
    """Put each part between its marks on the page; return those it has no marks for.

    The marks of a part are the lines `<!-- NAME -->` and `<!-- end of NAME -->`.
    """
    text = page.read_text(encoding="utf-8")
    unmarked = []
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if begin not in text or end not in text:
            unmarked.append(name)
            continue
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = before + begin + part + end + after
    page.write_text(text, encoding="utf-8")
    return unmarked


def markdown_table(peers: Figures) -> str:
    """Return the figures of every peer as Markdown."""
    heading, *rows = _cells(peers)
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [heading, rule, *rows])


def _cells(peers: Figures) -> list[list[str]]:
    """Return the heading and one row a peer; or one row a figure, where those are many and more."""
    figures = list(dict.fromkeys(figure for found in peers.values() for figure in found))
    cells = [["", *(figure.replace("_", " ") for figure in figures)]]
    for peer, found in peers.items():
        cells.append([peer, *(_text(found.get(figure)) for figure in figures)])
    if len(figures) <= max(MOST_COLUMNS, len(peers)):
        return cells
    return [list(row) for row in zip(*cells, strict=True)]


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return ("no", "yes")[value] if isinstance(value, bool) else f"{value:,}"
