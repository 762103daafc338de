"""Commands as a user starts them: processes of their own, ended with the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.waiting import DEADLINE_S, wait_until

ROOT = Path(__file__).resolve().parents[1]


class Command:
    """One `python -m pipeline ...`, or another program, with what it printed."""

    def __init__(
        self,
        *arguments: str,
        log: Path,
        program: str | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        start = [sys.executable, "-m", "pipeline"] if program is None else [program]
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*start, *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env=env,
                start_new_session=True,
            )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return self._log.read_text()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())

    def line_with(self, text: str) -> str:
        """Wait for a line on stdout that holds `text`."""
        wait_until(
            lambda: any(text in line for line in self.lines) or self._process.poll() is not None,
            f"{text!r} on stdout",
        )
        found = [line for line in self.lines if text in line]
        assert found, f"ended with {self._process.poll()}: {self.lines} {self.errors[-2000:]}"
        return found[0]

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self._process.send_signal(signal.SIGINT)

    def terminate_group(self) -> None:
        """Send what a service manager sends, to the command and all it has started."""
        os.killpg(self._process.pid, signal.SIGTERM)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for its end and return its exit code."""
        code = self._process.wait(deadline_s)
        self._reader.join(5)
        return code

    def end(self) -> None:
        """End it, whatever it does, and close what it left."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()
