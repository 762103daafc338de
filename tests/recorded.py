"""Recordings of real traffic, beside the checkout; tests that need them are skipped without."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / "../shared/data"

_STREAMS = DATA / "ws-raw-cryptofeed"

needs_recordings = pytest.mark.skipif(
    not DATA.exists(), reason=f"no recorded market data in {DATA}"
)


def recorded_frames(name: str) -> tuple[list[bytes], list[int]]:
    """Return the messages of a recording and when they came; lines are `seconds: message`."""
    frames = [
        line.split(b": ", 1) for line in _lines(name) if line and not line.startswith(b"wss://")
    ]
    return [frame for _, frame in frames], [round(float(time) * 1e6) for time, _ in frames]


def recorded_answers(name: str) -> dict[str, bytes]:
    """Return the bodies of a recording by url; lines are `url -> seconds: body`."""
    parts = [line.split(b" -> ", 1) for line in _lines(name) if line.startswith(b"http")]
    return {url.decode(): answer.split(b": ", 1)[1] for url, answer in parts}


def _lines(name: str) -> list[bytes]:
    content = (_STREAMS / name).read_bytes()
    return (gzip.decompress(content) if name.endswith(".gz") else content).splitlines()
