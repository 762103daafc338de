"""Statistics of windows: names such as `variance@5m`, the exact sums they need, and their units.

| name | what | unit |
|---|---|---|
| `return@W` | log return over the window, where every step is known; of trades, of those known | |
| `variance@W` | mean squared return | per second |
| `variance@W,step=S` | of returns over S, at every grid step: robust to bounce | per second |
| `bipower@W` | pi/2 times the mean product of neighbouring sizes: without jumps | per second |
| `autocovariance@W` | mean product of neighbouring returns | per step |
| `samples@W` | valid returns in the window | |
| `trades@W`, `trades@W,lag=L` | trades in the window, or in the one that ended L ago | |
| `ewma@H` | squared returns, weights halved every H | per second |
| `parkinson@W` `garman_klass@W` `rogers_satchell@W` | from highs and lows of minutes | per second |

Windows are (t - W, t]. A statistic is null until its window is full and while fewer than half of
its terms are known; `ewma` from the first return on. Formulas: Barndorff-Nielsen and Shephard
(2004) for bipower variation, Zhang, Mykland and Ait-Sahalia (2005) for steps; the others in
`pipeline.ranges`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.compiled import compiled
from pipeline.durations import MINUTE, SECOND, format_duration, parse_duration
from pipeline.windows import RollingSum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.ranges import RangeColumns
    from pipeline.windows import WindowColumns

_NAME = re.compile(r"(\w+)@(\w+)(?:,(lag|step)=(\w+))?")
_OF_SUMS = ("return", "variance", "bipower", "autocovariance", "samples", "trades")
_OF_RANGES = ("parkinson", "garman_klass", "rogers_satchell")
_MODIFIED = {"lag": ("trades",), "step": ("variance",)}


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic of a window.

    Attributes:
        name: As it was written; the name of its column.
        kind: What comes before the `@`.
        window_us: The window, or the half-life of `ewma`.
        lag_us: How long ago the window ended.
        step_us: What each return spans; null for one sample.
    """

    name: str
    kind: str
    window_us: int
    lag_us: int = 0
    step_us: int | None = None

    @property
    def reach_us(self) -> int:
        """How far back it looks."""
        return self.window_us + self.lag_us


def statistic_named(name: str) -> Statistic:
    """Return the statistic of a name such as `variance@5m`.

    Raises:
        ValueError: There is none of that name.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in (*_OF_SUMS, "ewma", *_OF_RANGES):
        raise ValueError(f"expected a statistic such as variance@5m, found {name!r}")
    kind, window, modifier, by = match.groups()
    if modifier is not None and kind not in _MODIFIED[modifier]:
        raise ValueError(f"expected no {modifier} of {kind}, found {name!r}")
    return Statistic(
        name,
        kind,
        parse_duration(window),
        lag_us=parse_duration(by) if modifier == "lag" else 0,
        step_us=parse_duration(by) if modifier == "step" else None,
    )


class Statistics:
    """The statistics of a pipeline, resolved to exact sums once.

    Attributes:
        sums: What the windows must hold, for every symbol the same.
        half_lives: Of EWMAs: in samples, or in seconds where every trade is a sample.
        range_windows: Windows over bars of `range_step_us`, in such bars.
        range_step_us: A minute, or the grid step where that is longer.
    """

    def __init__(self, statistics: Sequence[Statistic], *, every_us: int | None) -> None:
        """Resolve statistics on a grid of `every_us`, or null where every trade is a sample.

        Raises:
            ValueError: A window does not fit the grid.
        """
        self._every_us = every_us
        self._statistics = {one.name: one for one in statistics}
        self.range_step_us = MINUTE if every_us is None else max(MINUTE, every_us)
        for one in statistics:
            self._check(one)
        of_sums = {s.name: self._sum(s) for s in statistics if s.kind in _OF_SUMS}
        self.sums = tuple(dict.fromkeys(of_sums.values()))
        self._sum_at = {name: self.sums.index(one) for name, one in of_sums.items()}
        unit_us = SECOND if every_us is None else every_us
        lives = {s.name: s.window_us / unit_us for s in statistics if s.kind == "ewma"}
        self.half_lives = tuple(dict.fromkeys(lives.values()))
        self._life_at = {name: self.half_lives.index(life) for name, life in lives.items()}
        of_ranges = {
            s.name: s.window_us // self.range_step_us for s in statistics if s.kind in _OF_RANGES
        }
        self.range_windows = tuple(dict.fromkeys(of_ranges.values()))
        self._range_at = {name: self.range_windows.index(n) for name, n in of_ranges.items()}

    def compute(
        self, columns: WindowColumns, ranges: RangeColumns | None
    ) -> dict[str, NDArray[np.float64]]:
        """Return one column a statistic, NaN where it is not known."""
        return {
            name: self._compute(statistic, columns, ranges)
            for name, statistic in self._statistics.items()
        }

    def _check(self, one: Statistic) -> None:
        every_us = self._every_us
        if one.kind in _OF_RANGES:
            step_us = self.range_step_us
            if one.window_us % step_us or (every_us is not None and step_us % every_us):
                raise ValueError(
                    f"expected whole bars of {format_duration(step_us)} that the grid divides, "
                    f"found {one.name!r}"
                )
        elif every_us is None:
            if one.lag_us or one.step_us is not None:
                raise ValueError(f"expected a grid (sampling.every) for {one.name!r}, found trades")
        elif one.kind != "ewma":
            if one.step_us is not None and not 0 < one.step_us <= one.window_us:
                raise ValueError(f"expected a step within the window, found {one.name!r}")
            for length_us in (one.window_us, one.lag_us, one.step_us or 0):
                if length_us % every_us:
                    raise ValueError(
                        f"expected a window that is a multiple of {format_duration(every_us)}, "
                        f"found {one.name!r}"
                    )

    def _sum(self, one: Statistic) -> RollingSum:
        every_us = self._every_us
        of = {
            "return": "returns",
            "bipower": "products",
            "autocovariance": "signed_products",
            "trades": "trades",
        }.get(one.kind, "squares")
        if every_us is None:
            return RollingSum(of, duration_us=one.window_us)  # type: ignore[arg-type]  # from the table above
        length, horizon = one.window_us // every_us, (one.step_us or every_us) // every_us
        return RollingSum(
            of,  # type: ignore[arg-type]  # as above
            length - horizon + 1,
            lag=one.lag_us // every_us,
            horizon=horizon,
            need=length if one.kind == "return" else None,
        )

    def _compute(
        self, one: Statistic, columns: WindowColumns, ranges: RangeColumns | None
    ) -> NDArray[np.float64]:
        every_us = self._every_us
        figure: NDArray[np.float64]
        if one.kind == "ewma":
            figure = columns.ewma[self._life_at[one.name]]
            return figure if every_us is None else figure / (every_us / SECOND)
        if ranges is not None and one.kind in _OF_RANGES:
            figure = getattr(ranges, one.kind)[self._range_at[one.name]]
            return figure / (self.range_step_us / SECOND)
        at = self._sum_at[one.name]
        return self._of_sum(one, columns.values[at], columns.terms[at])

    def _of_sum(
        self, one: Statistic, total: NDArray[np.float64], terms: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        if one.kind in {"return", "trades"}:
            return total
        if one.kind == "samples":
            return np.where(np.isnan(total), np.nan, terms)
        factor = np.pi / 2 if one.kind == "bipower" else 1.0
        mean = np.empty(len(total))
        if one.kind == "autocovariance" or self._every_us is None:
            _mean(total, terms, 1.0, mean)
        else:
            _mean(total, terms, factor / ((one.step_us or self._every_us) / SECOND), mean)
        if one.kind == "autocovariance" or self._every_us is not None:
            return mean
        # Over the duration, whatever trades it had; of n returns there are n - 1 pairs.
        returns = terms + 1 if one.kind == "bipower" else terms
        return mean * returns * (factor / (one.window_us / SECOND))


@compiled("void(float64[::1], int32[::1], float64, float64[::1])")
def _mean(total: Any, terms: Any, factor: Any, mean: Any) -> None:  # noqa: ANN401 - compiled: the signature has the types
    """Write the mean of the terms times a factor: unknown where the total is."""
    for row in range(len(total)):
        mean[row] = total[row] / terms[row] * factor
