"""How long to wait before each attempt to connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


class Backoff:
    """Waits that grow with every failure.

    The first attempt is not delayed. Then waits are drawn from zero to a ceiling that doubles up to
    `max_s` and starts over after a connection that lived longer than that. How many attempts the
    venue takes is the budget's concern.

    Args:
        random: The source of jitter, which must differ from process to process.
        max_s: The longest wait.
    """

    FIRST_CEILING_S = 0.25

    def __init__(self, random: random.Random, *, max_s: float = 30.0) -> None:
        self._random = random
        self._max_s = max_s
        self._ceiling_s = 0.0

    def next_wait_s(self, *, lived_s: float) -> float:
        """Return the wait before the next attempt.

        Args:
            lived_s: How long the connection before was open, 0 for none.
        """
        if lived_s > self._max_s:
            self._ceiling_s = self.FIRST_CEILING_S
        wait_s = self._random.uniform(0.0, min(self._max_s, self._ceiling_s))
        self._ceiling_s = min(self._max_s, max(self.FIRST_CEILING_S, 2 * self._ceiling_s))
        return wait_s
