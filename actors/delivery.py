"""The pushing thread of a shard: one frame in flight, each until it is acknowledged."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.delivery import Envelope, Outbox, Payload

logger = logging.getLogger(__name__)

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


class Delivery:
    """Pushes an outbox in order, so that a slow coordinator never delays a computation.

    Args:
        outbox: What to push.
        push: Delivers one envelope and returns the coordinator's watermark; raises
            ConnectionError when it is not known whether it arrived.
    """

    def __init__(self, outbox: Outbox, push: Callable[[Envelope], int]) -> None:
        self._outbox = outbox
        self._push = push
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Start to push."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def full(self) -> bool:
        """Whether the outbox takes nothing more in for now."""
        with self._changed:
            return self._outbox.full

    def put(self, payload: Payload) -> None:
        """Send a payload after those before it."""
        with self._changed:
            self._outbox.put(payload)
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything is acknowledged; return whether it was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._outbox.empty, timeout_s)

    def stop(self) -> None:
        """Stop pushing; what is not acknowledged is dropped with the outbox."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or not self._outbox.empty)
                if self._stopping:
                    return
                envelope = self._outbox.next()
            if envelope is None:
                continue
            try:
                watermark = self._push(envelope)
            except ConnectionError as error:
                logger.warning("push failed seq=%d wait_s=%.1f: %s", envelope.seq, wait_s, error)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            wait_s = _FIRST_WAIT_S
            with self._changed:
                self._outbox.adopt(watermark)
                self._changed.notify_all()
