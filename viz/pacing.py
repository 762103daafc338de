"""Flow control of one page: how often it may be sent a tick, without a clock of its own."""

from __future__ import annotations

from collections import deque

#: A page that cannot keep up is sent fewer ticks, never older ones.
RATES_HZ = (4.0, 2.0, 1.0)

#: Ticks sent and not yet painted before the next is held back.
CREDIT = 2

#: A page that acknowledges nothing for this long is sent one more: what was sent before its socket
#: opened is never acknowledged, and without this it would wait for ever.
GIVE_UP_S = 2.0

#: The rate is lowered when more than half of this long was held back.
JUDGED_S = 5.0

#: The rate is raised again after this long without holding back.
RECOVERED_S = 10.0

#: Callbacks come a little early or late; a tick that is due within this share of a period is due.
JITTER = 0.2


class Pacer:
    """Decides when a page may be sent the next tick.

    Ticks are told apart by their stamps: painting one acknowledges all sent before it.
    """

    def __init__(self) -> None:
        self._level = 0
        self._unpainted: deque[int] = deque(maxlen=CREDIT)
        self._sent_at_s: float | None = None
        # Only the last JUDGED_S: as many as the caller asks in that time.
        self._asked: deque[tuple[float, bool]] = deque()
        self._level_since_s: float | None = None
        self._held_at_s: float | None = None

    @property
    def rate_hz(self) -> float:
        """The rate in use; below the first of `RATES_HZ` it is reduced."""
        return RATES_HZ[self._level]

    def may_send(self, now_s: float) -> bool:
        """Return whether a tick may be sent at `now_s`, and learn from the answer."""
        if self._sent_at_s is not None:
            due_s = self._sent_at_s + (1 - JITTER) / self.rate_hz
            if now_s < due_s:
                return False
        held = self._holds_back(now_s)
        self._judge(now_s, held=held)
        return not held

    def sent(self, stamp_ms: int, now_s: float) -> None:
        """Note that the tick of `stamp_ms` was sent at `now_s`."""
        self._unpainted.append(stamp_ms)
        self._sent_at_s = now_s

    def painted(self, stamp_ms: float) -> None:
        """Note that the page has painted the tick of `stamp_ms`."""
        while self._unpainted and self._unpainted[0] <= stamp_ms:
            self._unpainted.popleft()

    def _holds_back(self, now_s: float) -> bool:
        if len(self._unpainted) < CREDIT or self._sent_at_s is None:
            return False
        return now_s - self._sent_at_s < GIVE_UP_S

    def _judge(self, now_s: float, *, held: bool) -> None:
        if self._level_since_s is None:
            self._level_since_s = now_s
        if held:
            self._held_at_s = now_s
        self._asked.append((now_s, held))
        while self._asked[0][0] < now_s - JUDGED_S:
            self._asked.popleft()
        if now_s - self._level_since_s < JUDGED_S:
            return
        held_count = sum(held for _, held in self._asked)
        if 2 * held_count > len(self._asked):
            self._move_to(min(self._level + 1, len(RATES_HZ) - 1), now_s)
        elif self._held_at_s is None or now_s - self._held_at_s >= RECOVERED_S:
            self._move_to(max(self._level - 1, 0), now_s)

    def _move_to(self, level: int, now_s: float) -> None:
        if level != self._level:
            self._level = level
            self._level_since_s = now_s
            self._asked.clear()
