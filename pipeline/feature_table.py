"""The features of a pipeline: names resolved to expressions, those to what windows must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.durations import DAY, format_duration
from pipeline.features import BUILT_IN, Feature
from pipeline.plugins import load_features
from pipeline.schema import BARS
from pipeline.window_statistics import Statistics, statistic_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ranges import RangeColumns
    from pipeline.window_statistics import Statistic
    from pipeline.windows import WindowColumns

#: What an expression may use beside statistics and other features.
_OF_BARS = ("open", "high", "low", "close", "volume", "notional", "trades")
_RESERVED = (*BARS, "log_return", "score", "direction", "horizon_s")


class FeatureTable:
    """The features of a configuration, in its order.

    Attributes:
        names: Their columns.
        statistics: What they are made of.
        reach_us: How much history makes all of them known.
    """

    def __init__(
        self, names: Sequence[str], plugins: Sequence[str] = (), *, every_us: int | None
    ) -> None:
        """Resolve names on a grid of `every_us`, or null where every trade is a sample.

        Args:
            names: Of features, built in or of plugins.
            plugins: Modules whose `@feature` functions join the built-in ones.
            every_us: The grid step.

        Raises:
            ValueError: A plugin cannot be imported, a name is not one of a feature, an expression
                is not row-wise or not Float64, or a window does not fit the grid.
        """
        self.names = tuple(names)
        self._features = (*BUILT_IN, *load_features(plugins, reserved=_RESERVED))
        self._expressions: dict[str, pl.Expr] = {}
        self._level: dict[str, int] = {}
        found: dict[str, Statistic] = {}
        for name in names:
            self._resolve(name, found, ())
        self.statistics = Statistics(list(found.values()), every_us=every_us)
        windows = {one.window_us for one in found.values() if one.kind != "ewma"}
        #: Columns of coverage, and the bars in their windows; none where every trade is a sample.
        self.coverage = {
            f"coverage_{format_duration(window_us)}": window_us // every_us
            for window_us in sorted(windows)
            if every_us is not None
        }
        self.reach_us = max((one.reach_us for one in found.values()), default=0)
        self._bar_columns = [column for column in _OF_BARS if self._is_used(column)]
        built_in = {name for name in self._expressions if self._owner(name) in BUILT_IN}
        for name in sorted(self._expressions.keys() - built_in, key=self._level.__getitem__):
            self._check_row_wise(name)
            # The built-in ones see to it themselves that they are never NaN.
            self._expressions[name] = self._expressions[name].fill_nan(None)

    def compute(
        self, bars: pl.DataFrame, columns: WindowColumns, ranges: RangeColumns | None
    ) -> pl.DataFrame:
        """Return one Float64 column a feature, row for row as `bars`; null where unknown.

        Args:
            bars: BARS.
            columns: What the windows held after each of them.
            ranges: Likewise for bars of minutes; null where no feature needs them.
        """
        held = pl.DataFrame(
            [
                *(bars[column] for column in self._bar_columns),
                pl.Series("log_return", columns.log_return, nan_to_null=True),
                *(
                    pl.Series(name, values, nan_to_null=True)
                    for name, values in self.statistics.compute(columns, ranges).items()
                ),
            ]
        )
        levels = max(self._level.values(), default=-1) + 1
        return self._apply(held, levels)[list(self.names)]

    def _apply(self, held: pl.DataFrame, levels: int) -> pl.DataFrame:
        """Add features: first those that need no other, then those that need these, and so on."""
        for level in range(levels):
            at_once = [self._expressions[name] for name, at in self._level.items() if at == level]
            # In turn: handing a few small expressions to other threads costs more than they do.
            held = held.with_columns_seq(at_once)
        return held

    def _owner(self, name: str) -> Feature | None:
        return next((one for one in self._features if one.match(name)), None)

    def _is_used(self, column: str) -> bool:
        return any(column in _roots(one) for one in self._expressions.values())

    def _resolve(self, name: str, found: dict[str, Statistic], within: tuple[str, ...]) -> int:
        """Note a feature and what it needs; return how many features deep it builds on others."""
        if name in self._level:
            return self._level[name]
        owner = self._owner(name)
        if owner is None:
            known = ", ".join(sorted(one.template for one in self._features))
            raise ValueError(f"expected one of {known}, found {name!r}")
        if name in within:
            raise ValueError(f"expected no circle, found {' -> '.join((*within, name))}")
        try:
            expression = owner.expression(name)
        except Exception as error:
            raise ValueError(f"expected an expression of {name!r}, found {error}") from error
        level = 0
        for root in _roots(expression):
            if "@" in root:
                found[root] = _checked(statistic_named(root))
            elif root not in (*_OF_BARS, "log_return"):
                level = max(level, self._resolve(root, found, (*within, name)) + 1)
        self._expressions[name] = expression
        self._level[name] = level
        return level

    def _check_row_wise(self, name: str) -> None:
        """Refuse an expression whose value depends on other rows, or is no Float64.

        Otherwise history and live would disagree. It is looked at, and tried on made-up rows, all
        and one by one.
        """
        rows = self._apply(_made_up_rows(self._columns()), self._level[name])
        expression = self._expressions[name]
        other_rows = ValueError(
            f"expected {name!r} to need its own row only, found a value that depends on others"
        )
        if not _is_row_wise(expression):
            raise other_rows
        try:
            together = rows.with_columns(expression)[name]
            alone = [row.with_columns(expression)[name] for row in rows.iter_slices(1)]
        except pl.exceptions.PolarsError as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"expected {name!r} to be computable, found {reason}") from error
        if together.dtype != pl.Float64:
            raise ValueError(f"expected {name!r} to be Float64, found {together.dtype}")
        if not together.equals(pl.concat(alone)):
            raise other_rows

    def _columns(self) -> list[str]:
        roots = {root for one in self._expressions.values() for root in _roots(one)}
        return sorted(roots - self._expressions.keys() | {"log_return"})


def _is_row_wise(expression: pl.Expr) -> bool:
    """Say whether every part of an expression gives a row of its own for each row it is given."""
    about = expression.meta
    if about.has_multiple_outputs():  # of columns that a configuration happens to have
        return False
    try:
        return about.is_row_separable() and all(_is_row_wise(part) for part in about.pop())
    except pl.exceptions.PolarsError:  # how a Python function answers, which may look anywhere
        return False


def _roots(expression: pl.Expr) -> list[str]:
    return list(dict.fromkeys(expression.meta.root_names()))


def _checked(statistic: Statistic) -> Statistic:
    if not 0 < statistic.window_us <= DAY:
        raise ValueError(
            f"expected a window up to {format_duration(DAY)}, found {statistic.name!r}"
        )
    return statistic


def _made_up_rows(columns: Sequence[str]) -> pl.DataFrame:
    random = np.random.default_rng(0)
    # Values repeat, in a column and in several, so that groups of equal ones have several rows.
    values = random.lognormal(size=16)
    rows = {name: random.choice(values, 64) for name in columns}
    rows["log_return"] = random.normal(size=64)
    if "trades" in rows:
        rows["trades"] = random.integers(0, 9, 64)
    some = pl.int_range(pl.len()) % 11 != 3
    return pl.DataFrame(rows).with_columns(pl.when(some).then(pl.all()))
