"""A market of which it is known when something happened: the yardstick of detectors.

A mid price on a grid of 0.2 s: volatility is a two-factor log-Ornstein-Uhlenbeck process with a
daily cycle and bursts that decay over a minute (nothing to report, however loud), returns have fat
tails, trades are Poisson (more in bursts) and alternate between bid and ask at random. Jumps are
planted at known times, half of them at once, half spread over 5 to 30 seconds, in sizes of the
local volatility over a minute.

All is drawn from the seed of the path, and depends on nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numba import float64, void

from pipeline.compiled import compiled
from pipeline.durations import DAY, SECOND
from pipeline.features import YEAR_S
from pipeline.schema import TIME, TRADES

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_US = 200_000
_STEP_S = STEP_US / SECOND
#: 2026-01-01, for the times of paths to look like times.
START_US = 1_767_225_600_000_000

_HALF_LIVES_S = (600.0, 43_200.0)
_FACTOR_SD = 0.35
_DAILY = 0.3
_BURST_S = 60.0
_MARGIN_S = 600.0  # no jump is planted so near to either end

SYMBOL = "SIMUSDT"


@dataclass(frozen=True, slots=True)
class Setting:
    """What kind of market.

    Attributes:
        name: Of the setting.
        days: How long a path is.
        annual_volatility: Of the mid price, without jumps and bursts.
        half_spread_bp: How far trades bounce around the mid price.
        tail: Degrees of freedom of Student's t of the returns.
        bursts_per_day: Of volatility.
        jumps_per_day: Planted, at random times.
        jump_sizes: Least and largest, in standard deviations of the local return over a minute.
        aftershock_sizes: Likewise for a second jump three minutes after each; null for none.
        trades_per_s: On average, outside bursts.
        price_step: What prices are multiples of; they start at 100. Null for any price.
    """

    name: str
    days: float = 2.0
    annual_volatility: float = 0.6
    half_spread_bp: float = 0.5
    tail: float = 4.0
    bursts_per_day: float = 24.0
    jumps_per_day: float = 24.0
    jump_sizes: tuple[float, float] = (1.5, 6.0)
    aftershock_sizes: tuple[float, float] | None = None
    trades_per_s: float = 4.0
    price_step: float | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """One simulated market.

    Attributes:
        trades: TRADES of SYMBOL.
        jump_us: When jumps began, ascending.
        jump_end_us: When each was complete.
        is_aftershock: Which of them follow another.
        days: How long it is.
    """

    trades: pl.DataFrame
    jump_us: NDArray[np.int64]
    jump_end_us: NDArray[np.int64]
    is_aftershock: NDArray[np.bool_]
    days: float


def simulate(setting: Setting, seed: int) -> Path:
    """Return a path of a market."""
    random = np.random.default_rng(seed)
    steps = int(setting.days * DAY / STEP_US)
    excess = _bursts(setting, random, steps)
    sigma = _volatility(setting, random, steps) * (1.0 + excess)
    fat = random.standard_t(setting.tail, steps)
    returns = sigma * fat * math.sqrt((setting.tail - 2.0) / setting.tail)
    begins, ends, after = _plant(setting, random, sigma, returns)
    log_mid = np.cumsum(returns)
    return Path(
        _trades(setting, random, log_mid, excess),
        START_US + begins * STEP_US,
        START_US + ends * STEP_US,
        after,
        setting.days,
    )


@compiled(void(float64[::1], float64))
def _decay(values: Any, factor: Any) -> None:  # noqa: ANN401 - compiled: the signature has the types
    """Add to each value the one before it, decayed."""
    for at in range(1, len(values)):
        values[at] += factor * values[at - 1]


def _volatility(setting: Setting, random: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """Return the standard deviation of each step's return, without bursts."""
    log_level = np.zeros(steps)
    for half_life_s in _HALF_LIVES_S:
        factor = 0.5 ** (_STEP_S / half_life_s)
        moves = random.standard_normal(steps) * _FACTOR_SD * math.sqrt(1.0 - factor**2)
        moves[0] = random.standard_normal() * _FACTOR_SD
        _decay(moves, factor)
        log_level += moves
    of_day = np.arange(steps) * (2.0 * math.pi * STEP_US / DAY)
    level: NDArray[np.float64] = np.exp(log_level) * (1.0 + _DAILY * np.sin(of_day))
    return level * (setting.annual_volatility * math.sqrt(_STEP_S / YEAR_S))


def _bursts(setting: Setting, random: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """Return how much bursts add to each step's volatility, as a multiple of it."""
    excess = np.zeros(steps)
    count = random.poisson(setting.bursts_per_day * setting.days)
    np.add.at(excess, random.integers(0, steps, count), random.uniform(1.0, 4.0, count))
    _decay(excess, math.exp(-_STEP_S / _BURST_S))
    return excess


def _plant(
    setting: Setting,
    random: np.random.Generator,
    sigma: NDArray[np.float64],
    returns: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Add jumps to returns; return the steps where they begin and end, and which are seconds."""
    margin, later = int(_MARGIN_S / _STEP_S), int(180.0 / _STEP_S)
    count = random.poisson(setting.jumps_per_day * setting.days)
    first = np.sort(random.integers(margin, len(returns) - margin, count))
    planned = [(int(at), setting.jump_sizes, False) for at in first]
    if setting.aftershock_sizes is not None:
        planned += [(int(at) + later, setting.aftershock_sizes, True) for at in first]
    planned.sort(key=lambda one: one[0])
    ends = []
    for at, (least, most), _ in planned:
        minute = sigma[at] * math.sqrt(60.0 / _STEP_S)
        size = random.uniform(least, most) * minute * random.choice([-1.0, 1.0])
        gradual = random.random() < 0.5
        length = int(random.uniform(5.0, 30.0) / _STEP_S) if gradual else 1
        returns[at : at + length] += size / length
        ends.append(at + length)
    begins = np.array([at for at, _, _ in planned], dtype=np.int64)
    after = np.array([is_second for _, _, is_second in planned], dtype=np.bool_)
    return begins, np.array(ends, dtype=np.int64), after


def _trades(
    setting: Setting,
    random: np.random.Generator,
    log_mid: NDArray[np.float64],
    excess: NDArray[np.float64],
) -> pl.DataFrame:
    """Return TRADES at the bid or the ask around a mid price."""
    counts = random.poisson(setting.trades_per_s * _STEP_S * (1.0 + excess))
    step = np.repeat(np.arange(len(log_mid)), counts)
    side = random.choice([-1.0, 1.0], len(step))
    price = 100.0 * np.exp(log_mid[step] + side * setting.half_spread_bp * 1e-4)
    if setting.price_step is not None:
        price = np.rint(price / setting.price_step) * setting.price_step
    within = random.integers(0, STEP_US, len(step))
    event_us = START_US + np.sort(step * STEP_US + within)
    ids = np.arange(1, len(step) + 1)
    return pl.DataFrame(
        {
            "symbol": pl.repeat(SYMBOL, len(step), eager=True),
            "trade_id": ids,
            "first_id": ids,
            "last_id": ids,
            "event_time": pl.Series(event_us).cast(TIME),
            "receive_time": pl.Series(event_us).cast(TIME),
            "price": price,
            "quantity": np.full(len(step), 1.0),
            "buyer_is_maker": side < 0.0,
        },
        schema=TRADES,
    )
