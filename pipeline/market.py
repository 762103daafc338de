"""The synthetic market: seeded, correlated symbols with bursts, jumps and clustered trades.

Each log price follows a common factor and its own noise, both t(4); the volatility is a two-factor
log-Ornstein-Uhlenbeck process (half-lives 10 minutes and 12 hours) with bursts that decay over a
minute and a daily cycle; jumps come at recorded times, half of them at once, half over 5 to 30
seconds. Trades arrive as Poisson counts that cluster, more in bursts, at the bid or the ask.

Everything is drawn in blocks of fixed venue time, so the trades depend on the seed, the start and
the options, and never on how the time was cut by `advance`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.durations import DAY, MINUTE, SECOND
from pipeline.errors import ConfigError
from pipeline.exchange.listings import DEMO_SYMBOLS, PROFILES
from pipeline.exchange.trades import NO_TRADES, Listing, Trades

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Floats = NDArray[np.float64]

DEFAULT_HISTORY_US = 75 * MINUTE

#: Twelve symbols then show an anomaly about every minute.
DEFAULT_JUMPS_PER_HOUR = 5.0

#: An asked rate holds for history up to this: it is there to warm a client up.
HISTORY_TRADES_PER_S = 200.0

#: Jumps remembered, the newest.
JUMPS_HELD = 10_000

_STEP_US = 50_000
_STEP_S = _STEP_US / SECOND
_LIVE_BLOCK_STEPS = 5
_HISTORY_BLOCK_STEPS = 600
_JUMP_STEPS = 600  # the longest a jump lasts

_SECONDS_PER_YEAR = 31_536_000
_VOLATILITY_SD = 0.35  # of each of the two factors of the log volatility
_HALF_LIVES_S = (600.0, 43_200.0)
_ACTIVITY_SD, _ACTIVITY_HALF_LIFE_S = 0.4, 3.0
_BURST_S = 60.0  # decay of a burst
_BURSTS_PER_S = 24 / 86_400
_BURST_MEAN = 2.5  # excess volatility, drawn from U(1, 4)
_JUMP_BURST = 1.5  # the excess a jump leaves behind
_MARKET_JUMPS = 0.1  # market-wide jumps for each jump of a symbol
_MOST_FILLS = 12


@dataclass(frozen=True, slots=True)
class Jump:
    """A planted anomaly: the price moves by `log_return` in `duration_us` from `time_us` on."""

    symbol: str
    time_us: int
    duration_us: int
    log_return: float
    market_wide: bool


class SyntheticMarket:
    """A TradeSource that makes its trades up.

    Args:
        symbols: Some of PROFILES.
        seed: Same seed, start and options: same trades.
        start_us: What the exchange's clock shows when it opens.
        trades_per_s: Over all symbols at every moment, so that a burst of one takes from the
            others; null for the natural rates, which rise in bursts.
        jumps_per_hour: Of each symbol, besides a tenth as many of all symbols at once.
        own_rates: Of some symbols the trades a second, at every moment; not part of `trades_per_s`.
        history_us: How long there was trading before the start, in whole steps of 50 ms.

    Raises:
        ConfigError: There is no such symbol, or it is named twice, or none is named.
    """

    recorded = False

    def __init__(
        self,
        symbols: Sequence[str] = DEMO_SYMBOLS,
        *,
        seed: int,
        start_us: int,
        trades_per_s: float | None = None,
        jumps_per_hour: float = DEFAULT_JUMPS_PER_HOUR,
        own_rates: Mapping[str, float] = MappingProxyType({}),
        history_us: int = DEFAULT_HISTORY_US,
    ) -> None:
        _check(symbols)
        profiles = [PROFILES[symbol] for symbol in symbols]
        self.listings: tuple[Listing, ...] = tuple(profile.listing for profile in profiles)
        self.start_us = start_us
        self.history_start_us = start_us - history_us // _STEP_US * _STEP_US
        self._symbols = tuple(symbols)
        self._random = np.random.default_rng(seed)
        self._jumps: deque[Jump] = deque(maxlen=JUMPS_HELD)
        self._jumps_per_s = jumps_per_hour / 3600

        rates = np.array([profile.trades_per_s for profile in profiles])
        self._trades_per_s = trades_per_s
        # NaN where a symbol has none.
        self._own_rates = np.array([own_rates.get(symbol, np.nan) for symbol in symbols])
        bursts = _BURSTS_PER_S * _BURST_MEAN
        bursts += self._jumps_per_s * (1 + _MARKET_JUMPS) * _JUMP_BURST
        self._rates = rates / (1 + bursts * _BURST_S)

        volatility = np.array([profile.annual_volatility for profile in profiles])
        self._sigma = volatility / math.sqrt(_SECONDS_PER_YEAR)  # in one second
        self._loading = np.array([[profile.loading] for profile in profiles])
        self._half_spread = np.array([profile.half_spread_bp * 1e-4 for profile in profiles])
        self._tick_e8 = np.array([listing.tick_e8 for listing in self.listings])
        self._lot_e8 = np.array([listing.lot_e8 for listing in self.listings])
        prices = np.array([profile.price for profile in profiles])
        notional = np.array([profile.notional for profile in profiles])
        self._typical_lots = notional / prices / (self._lot_e8 * 1e-8)

        # Row 0 of the volatility factors is common to all symbols.
        count = len(profiles)
        self._volatility = _VOLATILITY_SD * self._random.normal(size=(2, count + 1))
        self._activity = _ACTIVITY_SD * self._random.normal(size=count)
        self._burst = np.zeros(count)
        self._log_price = np.log(prices)
        self._drift = np.zeros((count, _JUMP_STEPS))  # what jumps under way still have to move
        self._next_id = np.ones(count, dtype=np.int64)
        self._next_fill = np.ones(count, dtype=np.int64)
        self._made_until_us = self.history_start_us
        self._waiting = [NO_TRADES] * count

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """The jumps so far, oldest first; at most a block ahead of the trades handed out."""
        return tuple(self._jumps)

    def advance(self, until_us: int) -> Mapping[str, Trades]:
        """Return the trades before `until_us` that were not returned yet, by symbol."""
        runs: dict[str, list[Trades]] = {}
        while True:
            for index, symbol in enumerate(self._symbols):
                due, self._waiting[index] = self._waiting[index].split_at(until_us)
                if len(due):
                    runs.setdefault(symbol, []).append(due)
            if self._made_until_us >= until_us:
                return {symbol: _join(run) for symbol, run in runs.items()}
            self._waiting = self._make_block()

    def _make_block(self) -> list[Trades]:
        """Draw the next block of every symbol; nothing of the last one is waiting."""
        start_us = self._made_until_us
        steps, asked = _LIVE_BLOCK_STEPS, self._trades_per_s
        if start_us < self.start_us:
            steps = min(_HISTORY_BLOCK_STEPS, (self.start_us - start_us) // _STEP_US)
            asked = None if asked is None else min(asked, HISTORY_TRADES_PER_S)
        self._made_until_us = start_us + steps * _STEP_US
        paths, expected = self._draw_paths(start_us, steps)
        own = ~np.isnan(self._own_rates)
        expected[own] = 0.0
        if asked is not None:
            expected *= asked * _STEP_S / expected.sum(axis=0)
        expected[own] = self._own_rates[own, None] * _STEP_S
        return self._draw_trades(start_us, paths, expected)

    def _draw_paths(self, start_us: int, steps: int) -> tuple[Floats, Floats]:
        """Return log prices at the edges of the steps, and trades expected in each step."""
        random, count = self._random, len(self._symbols)
        log_volatility = np.zeros((count, steps))
        for factor, half_life_s in enumerate(_HALF_LIVES_S):
            path = self._wander(self._volatility[factor], half_life_s, _VOLATILITY_SD, steps)
            self._volatility[factor] = path[:, -1]
            log_volatility += math.sqrt(0.5) * (path[0] + path[1:])
        times_us = start_us + _STEP_US * np.arange(steps)
        daily = 1 + 0.3 * np.cos(2 * np.pi * (times_us / DAY - 15 / 24))
        # The mean of exp(2 x) is one when x has the mean minus its variance.
        sigma = self._sigma[:, None] * np.exp(log_volatility - 2 * _VOLATILITY_SD**2) * daily

        impulses = random.uniform(1, 4, size=(count, steps))
        impulses *= random.random((count, steps)) < _BURSTS_PER_S * _STEP_S
        drift = self._draw_jumps(start_us, sigma, impulses)
        decay = np.exp(-_STEP_S / _BURST_S * np.arange(1, steps + 1))
        excess = decay * (self._burst[:, None] + np.cumsum(impulses / decay, axis=1))
        self._burst = excess[:, -1]

        noise = random.standard_t(4, size=(count + 1, steps)) / math.sqrt(2)
        noise = self._loading * noise[0] + np.sqrt(1 - self._loading**2) * noise[1:]
        moves = sigma * (1 + excess) * math.sqrt(_STEP_S) * noise + drift
        prices = self._log_price[:, None] + np.cumsum(moves, axis=1)
        prices = np.concatenate([self._log_price[:, None], prices], axis=1)
        self._log_price = prices[:, -1]

        activity = self._wander(self._activity, _ACTIVITY_HALF_LIFE_S, _ACTIVITY_SD, steps)
        self._activity = activity[:, -1]
        clusters = np.exp(activity - _ACTIVITY_SD**2 / 2)
        return prices, self._rates[:, None] * (1 + excess) * clusters * _STEP_S

    def _wander(self, start: Floats, half_life_s: float, sd: float, steps: int) -> Floats:
        """Return the path of an Ornstein-Uhlenbeck process of mean zero, exact at the steps."""
        keep = 2 ** (-_STEP_S / half_life_s)
        noise = self._random.normal(size=(len(start), steps))
        noise *= sd * math.sqrt(1 - keep**2)
        powers = keep ** np.arange(1, steps + 1)
        return np.asarray(powers * (start[:, None] + np.cumsum(noise / powers, axis=1)))

    def _draw_jumps(self, start_us: int, sigma: Floats, impulses: Floats) -> Floats:
        """Record new jumps; return what all jumps move in each step, and mark their bursts."""
        random, (count, steps) = self._random, sigma.shape
        drift = np.zeros((count, steps + _JUMP_STEPS))
        drift[:, :_JUMP_STEPS] = self._drift
        rates = np.full(count + 1, self._jumps_per_s)
        rates[count] *= _MARKET_JUMPS
        for place, number in enumerate(random.poisson(rates * steps * _STEP_S)):
            market_wide = place == count
            for _ in range(number):
                step = int(random.integers(steps))
                lasts = 1 if random.random() < 0.5 else int(random.integers(100, _JUMP_STEPS))
                # In units of the local volatility of one minute.
                size = random.uniform(1.5, 6) * (1 if random.random() < 0.5 else -1)
                for index in range(count) if market_wide else (place,):
                    move = float(size * sigma[index, step] * math.sqrt(60))
                    drift[index, step : step + lasts] += move / lasts
                    impulses[index, step] += _JUMP_BURST
                    self._jumps.append(
                        Jump(
                            self._symbols[index],
                            start_us + step * _STEP_US,
                            lasts * _STEP_US,
                            move,
                            market_wide,
                        )
                    )
        self._drift = drift[:, steps:]
        return drift[:, :steps]

    def _draw_trades(self, start_us: int, paths: Floats, expected: Floats) -> list[Trades]:
        random, (count, steps) = self._random, expected.shape
        counts = random.poisson(expected).ravel()
        total = int(counts.sum())
        # Place in the block, symbol by symbol: one sort orders all of them by time.
        place_us = np.repeat(np.arange(count * steps) * _STEP_US, counts)
        place_us = np.sort(place_us + random.integers(0, _STEP_US, size=total))
        symbol, offset_us = np.divmod(place_us, steps * _STEP_US)
        step, within_us = np.divmod(offset_us, _STEP_US)
        before, after = paths[symbol, step], paths[symbol, step + 1]
        log_price = before + (after - before) * (within_us / _STEP_US)

        maker = random.integers(0, 2, size=total)
        bounce = self._half_spread[symbol] * (1 - 2 * maker)
        ticks = np.rint(np.exp(log_price + bounce) * 1e8 / self._tick_e8[symbol])
        fills = np.minimum(random.geometric(0.6, size=total), _MOST_FILLS)
        lots = np.rint(self._typical_lots[symbol] * random.lognormal(-0.5, 1.0, size=total))

        columns = np.empty((7, total), dtype=np.int64)
        ends = np.cumsum(counts.reshape(count, steps).sum(axis=1))
        starts = np.concatenate([[0], ends[:-1]])
        made = np.cumsum(fills)
        made_before = np.concatenate([[0], made])[starts]
        columns[0] = np.arange(total) + (self._next_id - starts)[symbol]
        columns[2] = made + (self._next_fill - made_before - 1)[symbol]
        columns[1] = columns[2] - fills + 1
        columns[3] = start_us + offset_us
        columns[4] = np.maximum(ticks, 1) * self._tick_e8[symbol]
        columns[5] = np.maximum(lots, fills) * self._lot_e8[symbol]
        columns[6] = maker
        self._next_id += ends - starts
        self._next_fill += np.concatenate([[0], made])[ends] - made_before
        return [Trades(columns[:, a:b]) for a, b in zip(starts, ends, strict=True)]


def _join(runs: list[Trades]) -> Trades:
    if len(runs) == 1:
        return runs[0]
    return Trades(np.concatenate([run.columns for run in runs], axis=1))


def _check(symbols: Sequence[str]) -> None:
    problems = [
        f"{symbol}: not on offer, expected some of {' '.join(PROFILES)}"
        for symbol in symbols
        if symbol not in PROFILES
    ]
    problems += [
        f"{symbol}: named more than once"
        for symbol in dict.fromkeys(symbols)
        if symbols.count(symbol) > 1
    ]
    if not symbols:
        problems = ["expected at least one symbol, found none"]
    if problems:
        raise ConfigError("symbols of the built-in exchange", problems)
