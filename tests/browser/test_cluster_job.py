"""The pipeline as a job of a Ray cluster that was started by hand, and a board beside it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.commands import Command
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

BIN = Path(sys.executable).parent

Start = Callable[..., Command]


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the names of Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_job_runs_the_demo_and_a_board_in_another_process_shows_it(
    command: Start, open_page: Callable[..., Page], short_folder: Path
) -> None:
    gcs, dashboard, agent, client, board = free_ports(5)
    token = short_folder / "token"
    token.write_text("0" * 64)
    env = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
    }
    env.pop("RAY_ADDRESS", None)
    head = command(
        "start", "--head", "--block", "--disable-usage-stats", "--num-cpus=2",
        f"--port={gcs}", f"--dashboard-port={dashboard}", f"--temp-dir={short_folder}",
        f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}",
        program=str(BIN / "ray"), env=env,
    )  # fmt: skip
    head.line_with("Ray runtime started")
    wait_until(lambda: listening(dashboard), "the job server")

    job = command(
        "job", "submit", "--address", f"http://127.0.0.1:{dashboard}", "--working-dir", ".", "--",
        "python", "-m", "pipeline", "run", "configs/demo.yaml", "--no-board",
        "--set", "actors.symbols_per_actor=6",  # two actors are as many as there are CPUs
        program=str(BIN / "ray"), env=env,
    )  # fmt: skip
    job.line_with("running without a board")

    command(
        "serve", "viz", "--port", str(board), "--allow-websocket-origin", f"localhost:{board}",
        program=str(BIN / "bokeh"), env={**env, "RAY_ADDRESS": f"127.0.0.1:{gcs}"},
    )  # fmt: skip
    wait_until(lambda: listening(board), "the board")
    page = open_page(f"http://localhost:{board}/viz")
    expect(page.locator("#live")).to_have_text("12 / 12", timeout=120_000)

    command("stop", "--address", f"127.0.0.1:{gcs}", env=env).line_with("stopped")
    assert job.wait() == 0, job.lines[-20:]
