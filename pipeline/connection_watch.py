"""Whether one connection delivers what it should, and what to do when it may not.

Three signs are weighed. An audit asks the venue what the connection is subscribed to: what is
missing is asked for again, and no answer at all means that nobody is there. The connection as a
whole, and each of its streams, is held against what is usual for it (`staleness`). And where one
stream is silent beyond that, the newest trade over REST tells a quiet market from a stream that was
acknowledged and stays silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import HOUR, MINUTE, SECOND
from pipeline.staleness import SLOT_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.staleness import Gaps
    from pipeline.venues.protocol import Audit, Venue

AUDIT_EVERY_US = 4 * MINUTE

#: After a subscription was asked for again.
_AUDIT_AGAIN_US = 2 * SECOND

#: A connection of which nothing is known yet has so long to answer an audit.
ANSWER_US = 10 * SECOND

#: One that is silent beyond what is plausible, so long.
_ANSWER_AT_LEAST_US = SECOND

#: A stream of which too little is known is asked for over REST after so long, and then after twice
#: the time, and so on.
FIRST_CHECK_US = 15 * SECOND
_LAST_CHECK_US = HOUR

#: A trade that REST shows has so long to come on the stream.
_UNDER_WAY_US = 2 * SECOND

#: A stream that was subscribed to again has so long to speak.
_CURED_US = 4 * SECOND

#: What REST is asked for at a time.
_CHECKS = 16

#: Names in a message.
_SUBSCRIBED_AT_ONCE = 200

#: A silent stream may have been dropped since an older audit.
_FRESH_AUDIT_US = MINUTE

#: Without an audit, a connection that has delivered for so long can be trusted.
_PROOF_US = 5 * SECOND

#: The id of the requests of a connection: those sent on open have low ones.
_FIRST_REQUEST_ID = 1000

_NOT = -1


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be done about a connection.

    Attributes:
        messages: To send on it.
        checks: Symbols whose newest trade to ask for over REST.
        dead: Why it is to be dropped at once; null while it is not.
        unfit: Why another one is to take its place; null while it is not.
    """

    messages: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    dead: str | None = None
    unfit: str | None = None


class ConnectionWatch:
    """Watches one connection; all times are microseconds of the clock that stamps arrivals.

    Args:
        venue: Whose messages to send.
        symbols: That the connection should carry.
        gaps: Of each symbol in this order, then of all together; shared by the connections that
            follow one another.
        opened_us: When it was opened.
    """

    def __init__(self, venue: Venue, symbols: Sequence[str], gaps: Gaps, opened_us: int) -> None:
        self._venue = venue
        self._symbols = symbols
        self._gaps = gaps
        self.opened_us = opened_us
        streams = len(symbols) + 1
        self._last_us = np.full(streams, opened_us)
        self._heard = np.zeros(streams, dtype=np.bool_)
        self._next_check_us = np.full(streams, opened_us)
        self._checked_us = np.full(streams, opened_us)
        self._behind_us = np.full(streams, _NOT)
        self._cures = np.zeros(streams, dtype=np.int64)
        self._request_id = _FIRST_REQUEST_ID
        self._audit_id = _NOT
        self._asked_us: int | None = None
        self._audit_due_us = opened_us
        self._answered_us: int | None = None
        self._alive_us = opened_us
        self._deaf = False  # it delivers, and does not answer
        self._missing: list[str] = []
        self._audits_short = 0
        self._excused_until_us = opened_us

    @property
    def subscribed(self) -> bool:
        """Whether the newest audit found everything."""
        return self._answered_us is not None and not self._missing

    def hear(self, streams: NDArray[np.int64], times_us: NDArray[np.int64], *, learn: bool) -> None:
        """Take what arrived.

        Args:
            streams: The place of each trade's symbol.
            times_us: When each arrived.
            learn: Whether these gaps tell what is usual.
        """
        if not len(streams):
            return
        if learn:
            # For all together a few of the times say as much.
            some_us = times_us[np.flatnonzero(np.diff(times_us // SLOT_US, prepend=0))]
            everything = np.full(len(some_us), len(self._symbols))
            self._gaps.learn(
                np.concatenate([streams, everything]),
                np.concatenate([times_us, some_us]),
                self._last_us,
            )
        np.maximum.at(self._last_us, streams, times_us)
        self._last_us[-1] = max(self._last_us[-1], int(times_us.max()))
        self._alive_us = max(self._alive_us, int(self._last_us[-1]))
        heard = np.append(np.unique(streams), len(self._symbols))
        self._heard[heard] = True
        self._behind_us[heard] = _NOT
        again = heard[self._gaps.known[heard] | (self._cures[heard] > 0)]
        self._next_check_us[again] = self.opened_us
        self._cures[heard] = 0

    def audited(self, audit: Audit, now_us: int) -> None:
        """Take the venue's answer to an audit."""
        if self._asked_us is None or audit.request_id != self._audit_id:
            return
        self._asked_us = None
        self._deaf = False
        self._answered_us = now_us
        self._missing = [symbol for symbol in self._symbols if symbol not in audit.symbols]
        self._audits_short = self._audits_short + 1 if self._missing else 0
        self._audit_due_us = now_us + (_AUDIT_AGAIN_US if self._missing else AUDIT_EVERY_US)
        self.lives(now_us)

    def lives(self, now_us: int) -> None:
        """Take it that somebody is there: a silence may go on for as long again."""
        self._alive_us = now_us
        self._excused_until_us = now_us + max(0, now_us - int(self._last_us[-1]))

    def overheard(self) -> None:
        """Take it that messages were dropped unread: an answer may have been among them."""
        if self._asked_us is not None:
            self._audit_due_us = self._asked_us
            self._asked_us = None

    def checked(self, symbol: str, now_us: int, *, behind: bool) -> None:
        """Take whether REST shows a trade of a symbol that the stream had not told."""
        at = self._symbols.index(symbol)
        if behind and self._last_us[at] > self._checked_us[at]:
            return  # it was on its way
        if behind:
            self._behind_us[at] = now_us
            return
        silent_us = now_us - int(self._last_us[at])
        wait_us = min(max(silent_us, FIRST_CHECK_US), _LAST_CHECK_US)
        self._next_check_us[at] = now_us + wait_us

    def doubts(self, now_us: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return, symbol by symbol, whether it is unusually silent, and whether REST knows more."""
        unusual = self._gaps.implausible(now_us - self._last_us)
        behind = (self._behind_us != _NOT) | (self._cures > 0)
        return unusual[:-1], behind[:-1]

    def suspect(self, now_us: int) -> bool:
        """Return whether it is so silent that trades may be on their way to nowhere."""
        silent_us = now_us - self._last_us
        return now_us >= self._excused_until_us and bool(self._gaps.surprising(silent_us)[-1])

    def proven(self, now_us: int, other: ConnectionWatch) -> bool:
        """Return whether it can take the place of another connection.

        The audit says so; where there is none, something must have come, and trades of every symbol
        that the other has delivered since this one was opened.
        """
        if self.subscribed:
            return True
        if self._can_ask:
            return False
        due = other._last_us > self.opened_us + _UNDER_WAY_US
        enough = now_us - self.opened_us >= _PROOF_US
        return enough and self._alive_us > self.opened_us and not bool((due & ~self._heard).any())

    def step(self, now_us: int) -> Orders:
        """Return what to do now."""
        dead = self._dead(now_us)
        if dead is not None:
            return Orders(dead=dead)
        checks = self._checks(now_us)
        cures, unfit = self._cure(now_us)
        answered_us = self.opened_us if self._answered_us is None else self._answered_us
        if checks and now_us - answered_us > _FRESH_AUDIT_US:
            self._audit_due_us = min(self._audit_due_us, now_us)
        return Orders(tuple(cures + self._audit(now_us)), checks, unfit=unfit)

    def _dead(self, now_us: int) -> str | None:
        if self._asked_us is not None and now_us - self._asked_us >= ANSWER_US:
            if self._alive_us <= self._asked_us:
                return f"no answer to an audit for {ANSWER_US // SECOND} s"
            self._deaf, self._asked_us = True, None
            self._audit_due_us = now_us + AUDIT_EVERY_US
        silent_us = now_us - self._last_us
        if now_us < self._excused_until_us or not self._gaps.implausible(silent_us)[-1]:
            return None
        waited_us = 0 if self._asked_us is None else now_us - self._asked_us
        if self._can_ask and waited_us < _ANSWER_AT_LEAST_US:
            return None
        return f"silent for {silent_us[-1] / SECOND:.1f} s, which is not usual"

    def _audit(self, now_us: int) -> list[str]:
        if self._asked_us is not None:
            return []
        if now_us < self._audit_due_us and not self.suspect(now_us):
            return []
        again = self._missing[:_SUBSCRIBED_AT_ONCE]
        messages = [self._subscribe(again)] if again else []
        self._request_id += 1
        audit = self._venue.audit_message(self._request_id)
        if audit is not None:
            self._audit_id, self._asked_us = self._request_id, now_us
            messages.append(audit)
        return messages

    @property
    def _can_ask(self) -> bool:
        return not self._deaf and self._venue.audit_message(self._request_id) is not None

    def _checks(self, now_us: int) -> tuple[str, ...]:
        """Return the streams whose silence is to be explained, and take it that they are asked."""
        silent_us = now_us - self._last_us
        due = self._gaps.implausible(silent_us) | (
            ~self._gaps.known & (silent_us >= FIRST_CHECK_US)
        )
        due &= (now_us >= self._next_check_us) & (self._behind_us == _NOT)
        due[-1] = False
        if not due.any() or self.suspect(now_us):
            return ()
        asked = np.flatnonzero(due)[:_CHECKS]
        self._checked_us[asked] = now_us
        # Until the answer, which may never come.
        self._next_check_us[asked] = now_us + ANSWER_US
        return tuple(self._symbols[at] for at in asked.tolist())

    def _cure(self, now_us: int) -> tuple[list[str], str | None]:
        """Return what to send, or why to give up, for streams that stay silent while others trade.

        A stream is first subscribed to again; if that is no cure, a fresh connection may be.
        """
        silent = (self._behind_us != _NOT) & (now_us - self._behind_us >= _UNDER_WAY_US)
        if self._audits_short > 2:
            return [], f"not subscribed, though asked for: {', '.join(self._missing[:3])}"
        if not silent.any():
            return [], None
        self._behind_us[silent] = _NOT
        self._next_check_us[silent] = now_us + _CURED_US
        self._cures[silent] += 1
        names = [self._symbols[at] for at in np.flatnonzero(silent).tolist()]
        if self._cures.max() > 1:
            return [], f"silent streams, though subscribed: {', '.join(names[:3])}"
        self._request_id += 1
        unsubscribe = self._venue.unsubscribe_message(names, self._request_id)
        return [unsubscribe, self._subscribe(names)], None

    def _subscribe(self, symbols: Sequence[str]) -> str:
        self._request_id += 1
        return self._venue.subscribe_message(symbols, self._request_id)
