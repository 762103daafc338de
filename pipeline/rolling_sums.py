"""The rolling sums that can be asked for, and what windows must hold to have them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline import window_tapes as layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: The share of a window's samples that must be valid for a statement about it.
ENOUGH = 0.5

Summand = Literal[
    "returns",
    "squares",
    "deviations",
    "products",
    "signed_products",
    "trimmed_squares",
    "trades",
]

_OVER_HORIZONS = (layout.HORIZON_RETURNS, layout.TRIMMED_RETURNS)

_OF = {
    "returns": layout.VALUES,
    "squares": layout.SQUARES,
    "deviations": layout.DEVIATIONS,
    "products": layout.PRODUCTS,
    "signed_products": layout.SIGNED_PRODUCTS,
    "trimmed_squares": layout.SQUARES,
    "trades": layout.VALUES,
}


#: Of what else a total has the sum as well.
_MORE = {layout.VALUES: layout.DEVIATIONS}


@dataclass(frozen=True, slots=True)
class RollingSum:
    """A sum over a window of samples. Either `length` or `duration_us` is above zero.

    Attributes:
        of: `returns`; their `squares`; squared `deviations` from their mean; `products` of the
            sizes of neighbouring returns, both in the window; `signed_products` likewise;
            `trimmed_squares`: of returns whose outliers are trimmed, see `Trim`; `trades`.
        length: Samples in the window.
        duration_us: Or the samples of (t - duration, t], t being the newest sample's time. Samples
            of the same time enter one by one, as they arrived.
        lag: How many samples before the newest it ends: 0 includes the newest, 1 ends before it.
        horizon: Steps that each summed return spans; known where all of them are.
        need: Terms without which the sum is unknown; null for half of the samples of the window,
            or one if it is a duration.
    """

    of: Summand
    length: int = 0
    duration_us: int = 0
    lag: int = 0
    horizon: int = 1
    need: int | None = None

    @property
    def needed(self) -> int:
        """Terms without which the sum is unknown."""
        if self.need is not None:
            return self.need
        return math.ceil(ENOUGH * self.length) if self.length else 1

    @property
    def scale(self) -> RollingSum:
        """The sum by which `trimmed_squares` know outliers: of squares over the same window."""
        return RollingSum(
            "squares", self.length, self.duration_us, self.lag, self.horizon, self.need
        )


@dataclass(frozen=True, slots=True)
class Trim:
    """Which returns are outliers: each counts as one root mean square where squares are summed.

    Attributes:
        sigmas: Beyond so many root mean squares of the window that ends `lag` samples before; none
            is one while that is unknown.
        floor: The least a root mean square counts as.
        tick: The price step: half of it over the price is the least, too.
    """

    sigmas: float = 4.0
    floor: float = 0.3e-4
    tick: float = 0.0


def check(own: Sequence[RollingSum], alike: Sequence[RollingSum], *, timed: bool) -> None:
    """Refuse what would be summed wrongly."""
    if [(one.of, one.horizon) for one in own] != [(one.of, one.horizon) for one in alike]:
        raise ValueError("expected sums of the same kinds and horizons for every symbol")
    for at, one in enumerate(own):
        if (one.length > 0) == (one.duration_us > 0) or (one.duration_us > 0 and not timed):
            raise ValueError(f"expected a length, or with times a duration, found {one}")
        if one.horizon < 1 or one.lag < 0:
            raise ValueError(f"expected a horizon of one step or more and no lead, found {one}")
        if one.needed < 1 and one.of in {"deviations", "trimmed_squares"}:  # means are taken
            raise ValueError(f"expected to need at least one term, found {one}")
        if one.of == "trimmed_squares" and one.scale not in own[:at]:
            raise ValueError(f"expected {one.scale} before what it trims, found {one}")


def tapes_of(
    sums: Sequence[Sequence[RollingSum]], *, timed: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[tuple[int, int]]]:
    """Return the tapes that sums need, their horizons per symbol, and what each sum runs over.

    That is: what it adds up, and of which tape.
    """
    keys = [(layout.STEP_RETURNS, 0)]  # what a tape holds, and the first sum that asked for it
    kinds = []
    for at, one in enumerate(sums[0]):
        kind = layout.STEP_RETURNS
        if one.of == "trades":
            kind = layout.TRADES
        elif one.of == "trimmed_squares":
            kind = layout.TRIMMED_RETURNS
        elif one.horizon > 1:
            kind = layout.HORIZON_RETURNS
        alike = (
            t
            for t, (held, asked) in enumerate(keys)
            if held == kind
            and all(own[asked].horizon == own[at].horizon for own in sums)
            and (kind != layout.TRIMMED_RETURNS or sums[0][asked].scale == one.scale)
        )
        tape = 0 if kind == layout.STEP_RETURNS else next(alike, len(keys))
        if tape == len(keys):
            keys.append((kind, at))
        kinds.append((_OF[one.of], tape))
    if timed:
        keys.append((layout.TIMES, 0))
    horizon = np.array(
        [[own[at].horizon if kind in _OVER_HORIZONS else 1 for kind, at in keys] for own in sums],
        dtype=np.int64,
    )
    reach = np.full(len(keys), horizon.max() + 1)
    for own in sums:
        for (_, tape), one in zip(kinds, own, strict=True):
            reach[tape] = max(reach[tape], one.lag + one.length + one.horizon)
    if timed:  # positions on one tape are positions on all
        reach[:] = reach.max()
    # Twice what must stay, so that a tape is moved once in that many samples.
    capacity = 2 * (reach + layout.PIECE)
    table = np.zeros((len(keys), 5), dtype=np.int64)
    table[:, layout.KIND] = [kind for kind, _ in keys]
    table[:, layout.START] = np.cumsum(capacity) - capacity
    table[:, layout.CAPACITY], table[:, layout.REACH] = capacity, reach
    table[:, layout.SCALE] = [
        sums[0].index(sums[0][at].scale) if kind == layout.TRIMMED_RETURNS else 0
        for kind, at in keys
    ]
    return table, horizon, kinds


def kinds_of(
    sums: Sequence[Sequence[RollingSum]], runs_over: Sequence[tuple[int, int]]
) -> NDArray[np.int64]:
    """Return what each sum runs over, and whether it is told of the totals of another.

    Returns and their deviations over one window have one total; and a window that ends a sample
    earlier has the total of the row before.
    """
    kinds = np.zeros((len(runs_over), 4), dtype=np.int64)
    leads: list[int] = []
    # Deviations before returns: their totals have what returns need, and not the other way round.
    for k in sorted(range(len(runs_over)), key=lambda k: runs_over[k][0] == layout.VALUES):
        of, tape = runs_over[k]
        alike = [m for m in leads if runs_over[m] in {(of, tape), (_MORE.get(of, of), tape)}]
        lead = next((m for m in alike if all(_has_total(own[m], own[k]) for own in sums)), k)
        kinds[k, [layout.OF, layout.TAPE, layout.LEAD]] = of, tape, lead
        if lead == k:
            leads.append(k)
        else:
            kinds[lead, layout.LEADS] = 1
    return kinds


def _has_total(lead: RollingSum, one: RollingSum) -> bool:
    """Whether a sum has the totals of another, of the same row or of the row before.

    By duration only of the same: a window ends later with every sample, and starts later too.
    """
    behind = one.lag - lead.lag
    alike = (one.length, one.duration_us) == (lead.length, lead.duration_us)
    return alike and (behind == 0 or (behind == 1 and one.length > 0))
