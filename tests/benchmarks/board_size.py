"""What a board costs a page: its document, and the messages of a tick."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from typing import Any

from bokeh.document import Document

from tests.viz.page_client import PageClient, link_of
from tests.viz.recorded_board import RecordedBoard
from viz.document import make_document
from viz.hub import Hub
from viz.server import serve

SECONDS = 5.0


def board_size() -> dict[str, dict[str, Any]]:
    """Return, for 12 and 200 symbols, the sizes of a document and of its ticks."""
    return {f"{count} symbols": _of(count) for count in (12, 200)}


def _of(count: int) -> dict[str, Any]:
    server = serve(RecordedBoard(count, history_s=900), host="127.0.0.1", port=0)
    while _state(server.url) != "live":
        threading.Event().wait(0.05)
    client = PageClient(server.url)
    pulled = client.pull()
    link = link_of(pulled)
    cpu_s = time.process_time()
    ticks: list[tuple[int, int, int]] = []  # events, frames, bytes: up to and including a tick
    events = frames = size = 0
    end_s = time.monotonic() + SECONDS
    while time.monotonic() < end_s:
        message = client.receive()
        frames += message.frames
        size += message.bytes
        events += message.kind == "PATCH-DOC"
        stamp_ms = _stamp_ms(message.content)
        if stamp_ms is not None:
            client.set(link, "painted_ms", stamp_ms)
            ticks.append((events, frames, size))
            events = frames = size = 0
    cpu_s = time.process_time() - cpu_s
    client.close()
    server.stop()
    document = Document()
    make_document(document, Hub())
    return {
        "cpu_s": round(cpu_s, 3),
        "wall_s": SECONDS,
        "rows": len(ticks),
        "models": len(document.models),
        "document_kb": round(pulled.bytes / 1000, 1),
        "events_per_tick": max(events for events, _, _ in ticks[1:]),
        "frames_per_tick": max(frames for _, frames, _ in ticks[1:]),
        "kb_per_tick": round(sum(size for _, _, size in ticks[1:]) / len(ticks[1:]) / 1000, 1),
    }


def _state(url: str) -> str:
    with urllib.request.urlopen(url.replace("/viz", "/healthz"), timeout=5) as answer:  # noqa: S310 - loopback
        return str(json.load(answer)["state"])


def _stamp_ms(content: Any) -> float | None:  # noqa: ANN401 - a message of Bokeh's
    """Return the time of the tick in a message, if there is one."""
    for event in content.get("events", []) if isinstance(content, dict) else []:
        if event.get("attr") == "tick":
            stamp: float = json.loads(event["new"])["stamp_ms"]
            return stamp
    return None
