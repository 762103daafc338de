from __future__ import annotations

import io
import logging
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from actors import batch_progress
from actors.batch_progress import BatchProgress
from pipeline.batch.plan import Part


def part(number: int, size: int, rows: int | None = None) -> Part:
    return Part("A", number, None, "a", 0, None, rows, size, owns_unnamed=True, key="k")


def shown(act: Callable[[BatchProgress], None], *parts: Part) -> str:
    screen = io.StringIO()
    text = TextColumn("{task.completed:.0f}/{task.total:.0f} {task.description}")
    bar = Progress(text, console=Console(file=screen, force_terminal=True, width=80))
    with bar:
        progress = BatchProgress(parts, bar)
        act(progress)
        progress.tell()
    return screen.getvalue()


def test_progress_on_a_terminal_counts_parts_and_the_bytes_of_their_rows() -> None:
    def act(progress: BatchProgress) -> None:
        progress.read(part(0, 30), 10)
        progress.finish(part(0, 30))
        progress.read(part(1, 70, rows=100), 20)
        progress.read(part(1, 70, rows=100), 30)

    text = shown(act, part(0, 30), part(1, 70, rows=100))
    assert "65/100 1/2 parts, " in text
    assert " rows/s" in text


def test_progress_in_a_file_of_unknown_length_goes_by_the_files_before() -> None:
    def act(progress: BatchProgress) -> None:
        progress.read(part(0, 30), 10)
        progress.finish(part(0, 30))
        progress.read(part(1, 50), 5)

    assert "45/100 1/3" in shown(act, part(0, 30), part(1, 50), part(2, 20))
    assert "0/30 0/1" in shown(lambda progress: progress.read(part(0, 30), 5), part(0, 30))


def test_progress_without_a_terminal_is_a_log_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_progress, "_LOG_EVERY_S", 0.0)
    caplog.set_level(logging.INFO)
    progress = BatchProgress([part(0, 30)], Progress(disable=True))
    progress.read(part(0, 30), 500)
    progress.read(part(0, 30), 200)
    progress.tell()
    (message,) = caplog.messages
    assert message.startswith("batch running: 0/1 parts, ")
    assert message.endswith(", 700 rows")
