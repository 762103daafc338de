"""Named features: each a row-wise Polars expression over columns of the window kernel.

A name is a family and a window: `realized_vol_5m`, `ewma_vol_1m`. Volatilities are annualised
fractions (0.6 is 60 %) on a year of 365 days, for crypto trades around the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from pipeline.durations import DAY, SECOND, format_duration, parse_duration
from pipeline.windows import ENOUGH, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.windows import WindowColumns

YEAR_S = 31_536_000

Family = Literal["realized_vol", "ewma_vol"]
_FAMILIES: tuple[Family, ...] = ("realized_vol", "ewma_vol")


@dataclass(frozen=True, slots=True)
class Feature:
    """A named feature.

    Attributes:
        name: Its column in a features frame.
        family: What is computed.
        window_us: The window, or the half-life for `ewma_vol`.
    """

    name: str
    family: Family
    window_us: int


def feature_named(name: str) -> Feature:
    """Return the feature of a name such as `realized_vol_5m`.

    Raises:
        ValueError: No family of that name, or its window is not a duration up to a day.
    """
    family_name, _, window = name.rpartition("_")
    for family in _FAMILIES:
        if family_name == family:
            window_us = parse_duration(window)
            if not 0 < window_us <= DAY:
                raise ValueError(
                    f"expected a window up to {format_duration(DAY)}, found {window} in {name!r}"
                )
            return Feature(name, family, window_us)
    known = " or ".join(f"{family}_<duration>" for family in _FAMILIES)
    raise ValueError(f"expected {known}, found {name!r}")


class FeatureTable:
    """The features of a pipeline, resolved to windows and expressions once.

    Attributes:
        names: In the order of the configuration.
        windows: What the kernel must hold, for every symbol the same.
        half_lives: EWMA half-lives in samples.
    """

    def __init__(self, names: Sequence[str], *, every_us: int) -> None:
        features = [feature_named(name) for name in names]
        self.names = tuple(names)
        lengths = {f.window_us // every_us for f in features if f.family == "realized_vol"}
        self.windows = tuple(Window(length) for length in sorted(lengths))
        half_lives = {f.window_us / every_us for f in features if f.family == "ewma_vol"}
        self.half_lives = tuple(sorted(half_lives))
        self._every_us = every_us
        self._expressions = [self._expression(feature) for feature in features]

    def compute(self, columns: WindowColumns) -> pl.DataFrame:
        """Return one Float64 column a feature, row by row as `columns`; null where unknown.

        A realised volatility is known once its window is full and half of its samples are valid;
        an EWMA volatility from the first valid sample.
        """
        held: dict[str, pl.Series] = {}
        for at, window in enumerate(self.windows):
            held[f"squares@{window.length}"] = pl.Series(columns.squares[:, at])
            held[f"samples@{window.length}"] = pl.Series(columns.samples[:, at])
            held[f"filled@{window.length}"] = pl.Series(columns.filled[:, at])
        for at, half_life in enumerate(self.half_lives):
            held[f"ewma@{half_life:g}"] = pl.Series(columns.ewma[:, at])
        return pl.DataFrame(held).select(self._expressions)

    def _expression(self, feature: Feature) -> pl.Expr:
        per_year = YEAR_S * SECOND / self._every_us
        if feature.family == "ewma_vol":
            mean_square = pl.col(f"ewma@{feature.window_us / self._every_us:g}").fill_nan(None)
            return (mean_square * per_year).sqrt().alias(feature.name)
        length = feature.window_us // self._every_us
        samples = pl.col(f"samples@{length}")
        known = pl.col(f"filled@{length}") & (samples >= ENOUGH * length)
        mean_square = pl.col(f"squares@{length}") / samples
        return pl.when(known).then((mean_square * per_year).sqrt()).alias(feature.name)
