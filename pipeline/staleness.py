"""How long a stream may be silent before that is no longer plausible: learned from its own gaps.

Time is cut into slots of a tenth of a second, and a slot in which anything arrived counts once: a
burst of trades within one is one arrival. Of a stream that had `a` such slots and `b` empty ones,
the probability that the next `m` are empty is, with nothing assumed but that slots are alike,

    P(m) = product for i = 0 .. m-1 of (b + 1 + i) / (a + b + 1 + i)

and `-ln P(m)` is the evidence against the silence. It grows slowly while little is known, and a
stream of which nothing is known is never found silent. Trades come in clusters, so a silence that
is no longer than the longest of late is plausible too, whatever the formula says.

The memory is the longer of 10 minutes and 512 arrivals, and fades.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.durations import HOUR, MILLISECOND, MINUTE, SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOT_US = 100 * MILLISECOND

#: What happens by chance once in 1,100 gaps is worth a question.
_SURPRISING = 7.0
_SHORTEST_SURPRISE_US = SECOND

#: By chance once in 440,000 gaps: for a stream of any rate less than once a day.
_IMPLAUSIBLE = 13.0

#: With a look every 250 ms, and as long to report it, a dead stream is known of within 3 s.
SHORTEST_US = 2250 * MILLISECOND

#: Nothing is left unasked for longer, however quiet it is.
LONGEST_US = 2 * HOUR

#: After fewer arrivals nothing can be said of a stream.
_FEW = 16

_ARRIVALS = 512
_SLOTS = 10 * MINUTE // SLOT_US

#: Of a slot's number: three thousand years.
_SLOT_BITS = 40


class Gaps:
    """What is known of the gaps in a few streams.

    Args:
        streams: How many.
    """

    def __init__(self, streams: int) -> None:
        self._numbers = np.zeros((3, streams))
        self._arrivals, self._empty, self._longest = self._numbers

    def learn(
        self, streams: NDArray[np.int64], times_us: NDArray[np.int64], last_us: NDArray[np.int64]
    ) -> None:
        """Take arrivals.

        Args:
            streams: Of each arrival, in any order.
            times_us: Likewise, on the clock that stamps arrivals.
            last_us: Per stream, when it was heard before, or when it could first have been.
        """
        known = np.unique(streams)
        # The last known slot of each stream comes before its new ones.
        places = np.unique(
            np.concatenate([_place(streams, times_us), _place(known, last_us[known])])
        )
        of, slots = places >> _SLOT_BITS, places & ((1 << _SLOT_BITS) - 1)
        same = np.diff(of) == 0
        of, gap = of[1:][same], np.diff(slots)[same]
        self._arrivals += np.bincount(of, minlength=len(self._arrivals))
        self._empty += np.bincount(of, gap - 1, minlength=len(self._empty))
        self._fade(known)
        np.maximum.at(self._longest, of, gap - 1)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Say per stream whether enough arrived to tell what is usual."""
        return np.asarray(self._arrivals >= _FEW)

    def surprising(self, silent_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say per stream whether a silence is worth a question."""
        return (silent_us >= _SHORTEST_SURPRISE_US) & (self._evidence(silent_us) >= _SURPRISING)

    def implausible(self, silent_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say per stream whether a silence cannot be one of its own gaps."""
        unheard_of = silent_us // SLOT_US - 1 > self._longest
        found = unheard_of & (self._evidence(silent_us) >= _IMPLAUSIBLE)
        return (silent_us >= SHORTEST_US) & found | (silent_us >= LONGEST_US)

    def _evidence(self, silent_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return -ln P, the sum over slots taken as an integral."""
        # The slot that the silence began in, and the present one, may hold an arrival.
        empty = np.maximum(silent_us / SLOT_US - 1, 0)
        few, all_of_them = self._empty + 0.5, self._empty + self._arrivals + 0.5
        evidence: NDArray[np.float64] = (
            _integral(all_of_them + empty)
            - _integral(all_of_them)
            - _integral(few + empty)
            + _integral(few)
        )
        return evidence

    def _fade(self, streams: NDArray[np.int64]) -> None:
        """Forget what is beyond the memory of these streams."""
        arrivals = np.maximum(self._arrivals[streams], 1)
        share = np.maximum(_ARRIVALS / arrivals, _SLOTS / (arrivals + self._empty[streams]))
        self._numbers[:, streams] *= np.minimum(share, 1.0)


def _place(streams: NDArray[np.int64], times_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers that sort by stream, then by slot."""
    return (streams << _SLOT_BITS) + times_us // SLOT_US


def _integral(x: NDArray[np.float64]) -> Any:  # noqa: ANN401 - arithmetic of arrays
    return x * np.log(x) - x
