from __future__ import annotations

import gc
import json
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from bokeh.document import Document

from pipeline.errors import AddressError
from tests.viz.page_client import PageClient, link_of
from tests.viz.recorded_board import RecordedBoard
from tests.waiting import wait_until
from viz import server as server_module
from viz.hub import HUB
from viz.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from viz.server import BoardServer

    Serve = Callable[[RecordedBoard], BoardServer]


def get(url: str) -> tuple[int, str, str]:
    """Return status, final address and body."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, answer.url, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, url, error.read().decode()


def health(server: BoardServer) -> dict[str, Any]:
    return dict(json.loads(get(f"http://127.0.0.1:{server.port}/healthz")[2]))


def test_server_redirects_its_root_to_the_board(serve_board: Serve) -> None:
    server = serve_board(RecordedBoard(2, history_s=5))
    status, address, body = get(f"http://127.0.0.1:{server.port}/")
    assert (status, address) == (200, server.url)
    assert "viz/static/board.js" in body


def test_server_serves_everything_the_page_asks_for_itself(serve_board: Serve) -> None:
    server = serve_board(RecordedBoard(2, history_s=5))
    page = get(server.url)[2]
    assert "https://" not in page
    for name in ("board.js", "board.css", "tokens.css", "icon.svg"):
        assert get(f"{server.url}/static/{name}")[0] == 200


def test_healthz_follows_the_pipeline(serve_board: Serve) -> None:
    board = RecordedBoard(2, history_s=5)
    server = serve_board(board)
    wait_until(lambda: health(server)["state"] == "live")
    assert health(server)["sessions"] == 0
    board.reachable = False
    wait_until(lambda: health(server)["state"] == "offline")
    status, _, body = get(f"http://127.0.0.1:{server.port}/healthz")
    assert status == 503
    assert json.loads(body)["reason"] == "the coordinator does not answer"


def test_serve_on_a_port_in_use_says_which_and_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"board: cannot listen on 127.0.0.1:{port}: Address already in use"
        with pytest.raises(AddressError, match=message):
            serve(RecordedBoard(2, history_s=5), host="127.0.0.1", port=port)
    assert not HUB.running


def test_stopped_server_frees_its_port_and_its_source() -> None:
    server = serve(RecordedBoard(2, history_s=5), host="127.0.0.1", port=0)
    client = PageClient(server.url)
    server.stop()
    client.close()
    assert not HUB.running
    with socket.create_server(("127.0.0.1", server.port)):
        pass


@pytest.mark.parametrize("count", [12, 200])
def test_tick_is_within_its_budget_of_events_and_frames(serve_board: Serve, count: int) -> None:
    server = serve_board(RecordedBoard(count, history_s=160))
    client = PageClient(server.url)
    link = link_of(client.pull())
    ticks: list[tuple[int, int]] = []
    events = frames = 0
    # Two seconds: with and without closed bars.
    while len(ticks) < 8:
        message = client.receive()
        frames += message.frames
        if message.kind != "PATCH-DOC":
            continue
        events += 1
        (event,) = message.content["events"]
        if event.get("attr") == "tick":
            ticks.append((events, frames))
            events = frames = 0
            client.set(link, "painted_ms", json.loads(event["new"])["stamp_ms"])
    client.close()
    # From one tick up to and including the next.
    assert max(events for events, _ in ticks[1:]) <= 3
    assert max(frames for _, frames in ticks[1:]) <= 30


def test_page_that_paints_nothing_is_sent_no_more_than_its_credit(serve_board: Serve) -> None:
    server = serve_board(RecordedBoard(12, history_s=160))
    client = PageClient(server.url)
    client.pull()
    stamps = []
    while len(stamps) < 4:
        message = client.receive()
        stamps += [
            json.loads(event["new"])["stamp_ms"]
            for event in message.content.get("events", [])
            if event.get("attr") == "tick"
        ]
    client.close()
    # Two at once, then one every two seconds.
    assert stamps[2] - stamps[1] > 1_500
    assert stamps[3] - stamps[2] > 1_500


def test_page_that_reads_nothing_does_not_disturb_the_others(serve_board: Serve) -> None:
    server = serve_board(RecordedBoard(200, history_s=160))
    stalled = PageClient(server.url)
    stalled.send("PULL-DOC-REQ", {})
    other = PageClient(server.url)
    link = link_of(other.pull())
    painted = 0
    while painted < 8:
        message = other.receive()
        for event in message.content.get("events", []):
            if event.get("attr") == "tick":
                other.set(link, "painted_ms", json.loads(event["new"])["stamp_ms"])
                painted += 1
    asked_s = time.monotonic()
    assert health(server)["sessions"] == 2
    assert time.monotonic() - asked_s < 1.0
    for client in (stalled, other):
        client.close()


def test_pages_that_are_closed_are_forgotten(
    serve_board: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "UNUSED_LIFETIME_MS", 100)
    monkeypatch.setattr(server_module, "CHECK_UNUSED_MS", 50)
    server = serve_board(RecordedBoard(3, history_s=20))

    def open_documents() -> int:
        gc.collect()
        return sum(isinstance(item, Document) for item in gc.get_objects())

    before = open_documents()
    for _ in range(10):
        client = PageClient(server.url)
        client.pull()
        client.close()
    wait_until(lambda: health(server)["sessions"] == 0)
    wait_until(lambda: open_documents() <= before)
