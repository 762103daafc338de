"""A page without a browser: speaks Bokeh's protocol over a real WebSocket and counts its frames."""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import dataclass
from typing import Any

import websocket


@dataclass(frozen=True)
class Message:
    kind: str
    content: Any
    frames: int
    bytes: int


class PageClient:
    """Opens `url` as a browser would, and reads only when asked to."""

    def __init__(self, url: str) -> None:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            token = re.search(r'"token":"([^"]+)"', answer.read().decode())
        assert token is not None
        self._socket = websocket.create_connection(
            url.replace("http", "ws") + "/ws",
            subprotocols=["bokeh", token[1]],
            origin=url.rsplit("/", 1)[0],
            timeout=10,
        )
        self._sent = 0
        assert self.receive().kind == "ACK"

    def receive(self) -> Message:
        """Return the next message; waits at most ten seconds."""
        header, metadata, content = (self._socket.recv() for _ in range(3))
        buffers = [self._socket.recv() for _ in range(2 * json.loads(header).get("num_buffers", 0))]
        frames = [header, metadata, content, *buffers]
        size = sum(len(frame) for frame in frames)
        return Message(json.loads(header)["msgtype"], json.loads(content), len(frames), size)

    def send(self, kind: str, content: object) -> None:
        self._sent += 1
        for part in ({"msgid": str(self._sent), "msgtype": kind}, {}, content):
            self._socket.send(json.dumps(part))

    def pull(self) -> Message:
        """Ask for the whole document and return the reply."""
        self.send("PULL-DOC-REQ", {})
        while (message := self.receive()).kind != "PULL-DOC-REPLY":
            pass
        return message

    def set(self, model: str, attribute: str, value: object) -> None:
        """Change a property of a model, as the page's scripts do."""
        event = {"kind": "ModelChanged", "model": {"id": model}, "attr": attribute, "new": value}
        self.send("PATCH-DOC", {"events": [event]})

    def close(self) -> None:
        self._socket.close()


def link_of(document: Message) -> str:
    """Return the id of the hidden model in a pulled document."""
    found = [model["id"] for model in _models(document.content) if model["name"].endswith("Link")]
    assert len(found) == 1
    return str(found[0])


def _models(part: object) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [model for item in part for model in _models(item)]
    if not isinstance(part, dict):
        return []
    own = [part] if part.get("type") == "object" and "id" in part else []
    return own + [model for item in part.values() for model in _models(item)]
