"""Named features: each a row-wise Polars expression over statistics of windows.

A feature is a function that returns an expression over columns: statistics such as `variance@5m`
(`pipeline.window_statistics` has the list), the columns of BARS, `log_return`, and other features
by name. Its template may leave durations open: `realized_vol_{window}` is `realized_vol_5m` and
all others.

Volatilities are annualised fractions (0.6 is 60 %) on a year of 365 days, for crypto trades around
the clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from pipeline.durations import SECOND, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

YEAR_S = 31_536_000

#: From the variance ratio of short over long: the least volatility ratio of each regime.
REGIMES = {"calm": 0.0, "normal": 0.6, "elevated": 1.6, "extreme": 3.0}

_OPEN = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Feature:
    """A named feature, or a family of them.

    Attributes:
        template: Its name, with `{durations}` left open.
        build: Takes the durations as they were written; returns the expression.
    """

    template: str
    build: Callable[..., pl.Expr]

    def match(self, name: str) -> re.Match[str] | None:
        """Return the durations of a name, null if the name is of another feature."""
        pattern = _OPEN.sub(r"(?P<\1>[0-9]+(?:ms|s|m|h|d))", self.template)
        return re.fullmatch(pattern, name)

    def expression(self, name: str) -> pl.Expr:
        """Return the expression of a name that matches.

        Raises:
            TypeError: The function does not take the durations, or returns something else.
        """
        match = self.match(name)
        assert match is not None  # noqa: S101 - the caller has looked
        built = self.build(**match.groupdict())
        if not isinstance(built, pl.Expr):
            raise TypeError(repr(built))
        return built.alias(name)

    def clashes_with(self, other: Feature) -> bool:
        """Whether there are names of both."""
        some, others = (_OPEN.sub("1s", one.template) for one in (self, other))
        return self.match(others) is not None or other.match(some) is not None


def feature(template: str) -> Callable[[Callable[..., pl.Expr]], Feature]:
    """Make a feature of a function; see `docs/features.md`.

    Args:
        template: The name it is configured by, such as `vol_spread` or `vol_spread_{window}`: the
            function takes what is open by keyword, as text such as `5m`.
    """
    return lambda build: Feature(template, build)


def annualised(variance: pl.Expr) -> pl.Expr:
    """Return the volatility a year of a variance per second."""
    return (variance * YEAR_S).sqrt()


@feature("realized_vol_{window}")
def realized_vol(window: str) -> pl.Expr:
    """Realised volatility: root mean square return, annualised."""
    return annualised(pl.col(f"variance@{window}"))


@feature("subsampled_vol_{window}_{step}")
def subsampled_vol(window: str, step: str) -> pl.Expr:
    """Realised volatility of returns over `step` at every sample: robust to bid-ask bounce."""
    return annualised(pl.col(f"variance@{window},step={step}"))


@feature("ewma_vol_{half_life}")
def ewma_vol(half_life: str) -> pl.Expr:
    """Exponentially weighted volatility, annualised."""
    return annualised(pl.col(f"ewma@{half_life}"))


@feature("bipower_vol_{window}")
def bipower_vol(window: str) -> pl.Expr:
    """Volatility without jumps: root of bipower variation, annualised."""
    return annualised(pl.col(f"bipower@{window}"))


@feature("jump_share_{window}")
def jump_share(window: str) -> pl.Expr:
    """Share of the variance that came in jumps: max(0, 1 - bipower / realised)."""
    ratio = pl.col(f"bipower@{window}") / pl.col(f"variance@{window}")
    return (1.0 - ratio).clip(lower_bound=0.0).fill_nan(None)


@feature("parkinson_vol_{window}")
def parkinson_vol(window: str) -> pl.Expr:
    """Volatility from highs and lows of minute bars (Parkinson 1980), annualised."""
    return annualised(pl.col(f"parkinson@{window}"))


@feature("garman_klass_vol_{window}")
def garman_klass_vol(window: str) -> pl.Expr:
    """Volatility from minute bars (Garman and Klass 1980), annualised.

    Its variance can come out below zero where few trades make a bar; then it is unknown.
    """
    variance = pl.col(f"garman_klass@{window}")
    return annualised(pl.when(variance >= 0.0).then(variance))


@feature("rogers_satchell_vol_{window}")
def rogers_satchell_vol(window: str) -> pl.Expr:
    """Volatility from minute bars, whatever their drift (Rogers and Satchell 1991), annualised."""
    return annualised(pl.col(f"rogers_satchell@{window}"))


@feature("roll_spread_bp_{window}")
def roll_spread_bp(window: str) -> pl.Expr:
    """Effective bid-ask spread from bounce (Roll 1984), in basis points."""
    bounce = (-pl.col(f"autocovariance@{window}")).clip(lower_bound=0.0)
    return 2e4 * bounce.sqrt()


@feature("vol_ratio_{short}_{long}")
def vol_ratio(short: str, long: str) -> pl.Expr:
    """Volatility of a short window over that of a long one."""
    return (pl.col(f"variance@{short}") / pl.col(f"variance@{long}")).sqrt().fill_nan(None)


@feature("vol_regime_{short}_{long}")
def vol_regime(short: str, long: str) -> pl.Expr:
    """Regime by the volatility ratio: 0 calm, 1 normal, 2 elevated, 3 extreme."""
    ratio = vol_ratio.build(short, long).fill_nan(None)  # flat prices have none
    bounds = [ratio >= least for least in list(REGIMES.values())[1:]]
    return pl.sum_horizontal(*bounds, ignore_nulls=False).cast(pl.Float64)


@feature("trade_burst_z_{window}")
def trade_burst_z(window: str) -> pl.Expr:
    """How unusual the number of trades is: 2 (sqrt(N + 3/8) - sqrt(L + 3/8)), after Anscombe.

    L is the rate of the half hour before the window: about a normal deviate if trades are Poisson.
    """
    expected = pl.col(f"trades@30m,lag={window}") * (parse_duration(window) / SECOND / 1800.0)
    return 2.0 * ((pl.col(f"trades@{window}") + 0.375).sqrt() - (expected + 0.375).sqrt())


BUILT_IN = tuple(value for value in list(globals().values()) if isinstance(value, Feature))
