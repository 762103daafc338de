"""How fast messages may leave on one connection."""

from __future__ import annotations

from collections import deque

#: A second of ours may be less than one of the venue's, with what happens on the way.
_PERIOD_S = 1.25


class Pace:
    """Counts what a connection sends, of any kind, so that it stays within the venue's limit.

    Args:
        limit: The most messages in any second.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent_s: deque[float] = deque(maxlen=limit)

    def take(self, now_s: float, *, leave: int = 0) -> bool:
        """Return whether a message may leave now; then it counts as sent.

        Args:
            now_s: A clock that only moves forward.
            leave: So many more must still be allowed after it.
        """
        while self._sent_s and now_s - self._sent_s[0] >= _PERIOD_S:
            self._sent_s.popleft()
        if len(self._sent_s) + leave >= self._limit:
            return False
        self._sent_s.append(now_s)
        return True
