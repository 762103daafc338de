"""The Polars namespace `windows`: the engine's exact windows in any eager or lazy query.

    import polars as pl
    import pipeline.window_expressions  # registers pl.Expr.windows

    bars.with_columns(
        pl.col("close").windows.realized_vol("5m").over("symbol").alias("vol"),
        pl.col("close").windows.score(["5s", "15s", "30s"], "5m").over("symbol").alias("score"),
    )

Every method takes a column of prices, one row a sample in time order, and returns a column of the
same length; `.over("symbol")` keeps markets apart. Rows are steps of a grid of `every`, null where
there is no price; or, with `by`, a time column, each row is a sample at its own time. A window is a
duration (t - W, t] such as `"5m"`, or a number of samples. Rows of the same time enter one by one
in row order: no row sees a later one.

Null rule: a value is null until its window is full and while fewer than half of its terms are
known; with `by`, while none is (`std`, `zscore`: fewer than two); `score` needs a fifth of them,
`ewma_variance` a first return. A return is missing where one of its two prices is,
where one is not between 1e-12 and 1e12, or where it is beyond 4. Values depend on nothing but the
rows of the window: the bits are those of the engine, live or in batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.detect.horizons import floor_of, horizon_scores, horizon_sums
from pipeline.durations import SECOND, parse_duration
from pipeline.features import annualised
from pipeline.window_statistics import Statistics, statistic_named
from pipeline.windows import RollingSum, Samples, Trim, Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pipeline.rolling_sums import Summand
    from pipeline.windows import WindowColumns

#: Samples in a window: of more the tapes alone would take gigabytes.
LONGEST = 100_000_000

_SCORE = pl.Struct({"score": pl.Float64, "direction": pl.Int8, "horizon": pl.Int64})


@pl.api.register_expr_namespace("windows")
class WindowExpressions:
    """Exact rolling statistics of a column of prices."""

    def __init__(self, close: pl.Expr) -> None:
        self._close = close

    def log_return(self) -> pl.Expr:
        """Return ln(p / p'), of each price and the one before; dimensionless."""
        return self._roll([RollingSum("returns", 1)], lambda columns: columns.log_return)

    def mean(self, window: str | int, *, every: str = "1s", by: str | None = None) -> pl.Expr:
        """Return the mean log return a sample."""
        return self._mean("returns", window, every, by)

    def std(self, window: str | int, *, every: str = "1s", by: str | None = None) -> pl.Expr:
        """Return the sample standard deviation of log returns (n - 1), a sample."""
        one = _sum("deviations", window, every, by)
        return self._roll([one], lambda c: np.sqrt(c.values[0] / np.maximum(c.terms[0] - 1, 1)), by)

    def zscore(self, window: str | int, *, every: str = "1s", by: str | None = None) -> pl.Expr:
        """Return how many standard deviations the newest return is from those before it.

        (r - mean) / std over the window that ends just before r: with a window by duration, the
        samples of (t - W, t] less the newest. Null where they do not vary.
        """
        sums = [_sum(of, window, every, by, lag=1) for of in ("returns", "deviations")]

        def score(columns: WindowColumns) -> NDArray[np.float64]:
            n = columns.terms[0]
            mean = columns.values[0] / np.maximum(n, 1)
            squares = columns.values[1] + columns.values[0] * mean
            varies = columns.values[1] > 1e-14 * squares
            scale = np.sqrt(np.where(varies, columns.values[1], np.nan) / np.maximum(n - 1, 1))
            z: NDArray[np.float64] = (columns.log_return - mean) / scale
            return z

        return self._roll(sums, score, by)

    def realized_variance(
        self, window: str | int, *, every: str = "1s", by: str | None = None
    ) -> pl.Expr:
        """Return the realised variance of the window: the sum of squared log returns."""
        return self._roll([_sum("squares", window, every, by)], lambda c: c.values[0], by)

    def realized_vol(self, window: str, *, every: str = "1s", by: str | None = None) -> pl.Expr:
        """Return the realised volatility, a fraction a year of 365 days.

        The root of the mean squared return of the known samples; with `by`, of the sum of squares
        over the window's length.
        """
        return annualised(self._statistic(f"variance@{window}", every, by))

    def bipower(self, window: str | int, *, every: str = "1s", by: str | None = None) -> pl.Expr:
        """Return the bipower variation of the window: its variance without jumps.

        pi/2 * n/(n-1) * sum |r_i||r_(i-1)|, both in the window (Barndorff-Nielsen, Shephard 2004).
        """
        one = _sum("products", window, every, by)
        return self._roll(
            [one],
            lambda c: np.pi / 2 * (c.values[0] * (c.terms[0] + 1) / np.maximum(c.terms[0], 1)),
            by,
        )

    def jump_share(self, window: str, *, every: str = "1s", by: str | None = None) -> pl.Expr:
        """Return the share of the variance that came in jumps: max(0, 1 - BV / RV)."""
        bipower = self._statistic(f"bipower@{window}", every, by)
        ratio = bipower / self._statistic(f"variance@{window}", every, by)
        return (1.0 - ratio).clip(lower_bound=0.0).fill_nan(None)

    def subsampled_variance(
        self, window: str | int, step: str | int, *, every: str = "1s"
    ) -> pl.Expr:
        """Return the variance of the window from returns over a longer step, at every sample.

        sum (x_i - x_(i-step))^2 / step over those within the window: robust to bid-ask bounce
        (Zhang, Mykland, Ait-Sahalia 2005).
        """
        length, steps = _length(window, every), _length(step, every)
        if steps > length:
            raise ValueError(f"expected a step within the window {window!r}, found {step!r}")
        one = RollingSum("squares", length - steps + 1, horizon=steps)
        return self._roll([one], lambda columns: columns.values[0] / steps)

    def roll_spread(
        self, window: str | int, *, every: str = "1s", by: str | None = None
    ) -> pl.Expr:
        """Return the effective spread over the price, from bounce (Roll 1984).

        2 sqrt(max(0, -mean r_i r_(i-1))), dimensionless: times 1e4 for basis points.
        """
        covariance = self._mean("signed_products", window, every, by)
        return 2.0 * (-covariance).clip(lower_bound=0.0).sqrt()

    def ewma_variance(
        self, half_life: str | float, *, every: str = "1s", by: str | None = None
    ) -> pl.Expr:
        """Return the exponentially weighted mean of squared returns, a sample; a second with `by`.

        sum r^2 d^age / sum d^age with d = 2^(-1 / half-life in samples); with `by`, ages are times
        and the weights of the denominator the seconds between samples.
        """
        unit = SECOND if by is not None else _step_us(every)
        life = parse_duration(half_life) / unit if isinstance(half_life, str) else half_life
        if not 0.0 < life < np.inf:
            raise ValueError(f"expected a half-life above zero, found {half_life!r}")
        return self._roll([], lambda columns: columns.ewma[0], by, half_lives=[life])

    def score(
        self,
        horizons: Sequence[str | int],
        window: str | int,
        *,
        every: str = "1s",
        trim: Trim = Trim(),  # noqa: B008 - frozen
        need: int | None = None,
    ) -> pl.Expr:
        """Return the multi-horizon return score: see `pipeline.detect.horizons`.

        Args:
            horizons: What the tested returns span, ascending; durations or samples.
            window: Whose returns a tested one is judged by.
            every: The grid step.
            trim: Which of those are outliers, and the least scale.
            need: Known returns without which a scale is unknown; null for a fifth of the window.

        Returns:
            Structs of `score` (never negative; in scales), `direction` (-1, 0, 1) and `horizon` (in
            samples); null where no horizon can be judged.
        """
        steps, length = [_length(one, every) for one in horizons], _length(window, every)
        if not steps or steps != sorted(set(steps)):
            raise ValueError(f"expected horizons from short to long, found {horizons}")
        needed = max(1, length // 5) if need is None else need
        if needed < 1:
            raise ValueError(f"expected to need one return or more, found {need}")

        def compute(series: Sequence[pl.Series]) -> pl.Series:
            close = _prices(series[0])
            windows = Windows([horizon_sums(steps, length, needed)], trims=[trim])
            signed, which = horizon_scores(
                windows.push(_samples(close, None)), steps, floor_of(trim, close)
            )
            known = ~np.isnan(signed)
            result = pl.DataFrame(
                {
                    "score": np.abs(signed),
                    "direction": np.sign(np.nan_to_num(signed)).astype(np.int8),
                    "horizon": np.array(steps, dtype=np.int64)[which],
                }
            )
            return result.select(pl.when(pl.Series(known)).then(pl.struct(pl.all()))).to_series()

        return pl.map_batches([self._close], compute, return_dtype=_SCORE)

    def _statistic(self, name: str, every: str, by: str | None) -> pl.Expr:
        """Return a statistic as the engine has it."""
        every_us = None if by is not None else _step_us(every)
        statistics = Statistics([statistic_named(name)], every_us=every_us)
        return self._roll(
            statistics.sums, lambda columns: statistics.compute(columns, None)[name], by
        )

    def _mean(self, of: Summand, window: str | int, every: str, by: str | None) -> pl.Expr:
        one = _sum(of, window, every, by)
        return self._roll([one], lambda c: c.values[0] / np.maximum(c.terms[0], 1), by)

    def _roll(
        self,
        sums: Sequence[RollingSum],
        finish: Callable[[WindowColumns], NDArray[np.float64]],
        by: str | None = None,
        *,
        half_lives: Sequence[float] = (),
    ) -> pl.Expr:
        def compute(series: Sequence[pl.Series]) -> pl.Series:
            windows = Windows([list(sums)], half_lives, timed=by is not None)
            samples = _samples(_prices(series[0]), series[1] if by is not None else None)
            return pl.Series(finish(windows.push(samples)), nan_to_null=True)

        columns = [self._close] if by is None else [self._close, pl.col(by)]
        return pl.map_batches(columns, compute, return_dtype=pl.Float64)


def _prices(close: pl.Series) -> NDArray[np.float64]:
    return close.cast(pl.Float64).fill_null(np.nan).to_numpy(writable=True)


def _samples(close: NDArray[np.float64], times: pl.Series | None) -> Samples:
    rows = len(close)
    time_us = np.zeros(rows, dtype=np.int64)
    if times is not None:
        if times.null_count():
            raise ValueError(f"expected a time in every row of {times.name!r}, found null")
        time_us = times.dt.cast_time_unit("us").to_physical().to_numpy(writable=True)
        if (np.diff(time_us) < 0).any():
            raise ValueError(f"expected rows in the order of {times.name!r}, found time going back")
    return Samples(
        np.zeros(rows, dtype=np.int32),
        time_us,
        close,
        np.ones(rows, dtype=np.bool_),
        np.full(rows, -1, dtype=np.int64),
    )


def _step_us(every: str) -> int:
    step_us = parse_duration(every)
    if step_us < 1:
        raise ValueError(f"expected a grid step above zero, found {every!r}")
    return step_us


def _length(window: str | int, every: str) -> int:
    step_us = _step_us(every)
    if isinstance(window, str):
        length, rest = divmod(parse_duration(window), step_us)
        if rest or not length:
            raise ValueError(f"expected a window that is a multiple of {every}, found {window!r}")
    elif isinstance(window, bool) or not isinstance(window, int):
        raise TypeError(f"expected a duration or a number of samples, found {window!r}")
    else:
        length = window
    if not 1 <= length <= LONGEST:
        raise ValueError(f"expected a window of 1 to {LONGEST:,} samples, found {window!r}")
    return length


def _sum(of: Summand, window: str | int, every: str, by: str | None, lag: int = 0) -> RollingSum:
    need = None
    if by is not None and isinstance(window, str):
        # Of one value there is no deviation.
        need = 2 if of == "deviations" else None
        return RollingSum(of, duration_us=parse_duration(window), lag=lag, need=need)
    length = _length(window, every)
    if of == "deviations":
        need = max(2, RollingSum(of, length).needed)
    return RollingSum(of, length, lag=lag, need=need)
