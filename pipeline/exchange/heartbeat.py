"""The venue's keep-alive: pings, and the end of a connection that leaves one unanswered."""

from __future__ import annotations


class Heartbeat:
    """The pings of one connection. A pong counts only with the payload of a ping it follows."""

    def __init__(self, now_us: int, *, every_us: int, timeout_us: int) -> None:
        self._every_us = every_us
        self._timeout_us = timeout_us
        self._next_us = now_us + every_us
        # Unanswered pings by payload: at most timeout / every of them before the connection is cut.
        self._sent_us: dict[bytes, int] = {}

    def ping(self, now_us: int) -> bytes | None:
        """Return the payload of a ping that is due, or null."""
        if now_us < self._next_us:
            return None
        self._next_us = now_us + self._every_us
        payload = b"%d" % now_us
        self._sent_us[payload] = now_us
        return payload

    def pong(self, payload: bytes) -> None:
        """Take an answer: it settles its ping and those before it; others do not count."""
        answered_us = self._sent_us.get(payload)
        if answered_us is not None:
            self._sent_us = {p: sent for p, sent in self._sent_us.items() if sent > answered_us}

    def expired(self, now_us: int) -> bool:
        """Return whether a ping has gone without an answer for the timeout."""
        return any(now_us - sent_us >= self._timeout_us for sent_us in self._sent_us.values())
