"""A board source without a pipeline: seeded, moving data for tests and for looking at the board.

`python tests/viz/recorded_board.py [SYMBOLS]` serves it at http://localhost:5007/viz.
"""

from __future__ import annotations

import datetime as dt
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.board import SAMPLES, BoardPlan, BoardSnapshot
from pipeline.durations import HOUR, SECOND
from pipeline.errors import ClusterError
from pipeline.schema import ALERTS, HEALTH, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: 2026-11-22 13:40:00 UTC.
START_US = 1_795_354_800 * SECOND

MAJORS = (
    ("BTCUSDT", 64_012.5, 0.01),
    ("ETHUSDT", 3_412.18, 0.01),
    ("SOLUSDT", 168.42, 0.01),
    ("BNBUSDT", 588.1, 0.1),
    ("XRPUSDT", 0.5213, 0.0001),
    ("DOGEUSDT", 0.12345, 0.00001),
    ("ADAUSDT", 0.4512, 0.0001),
    ("AVAXUSDT", 35.21, 0.01),
    ("LINKUSDT", 17.833, 0.001),
    ("DOTUSDT", 7.104, 0.001),
    ("LTCUSDT", 84.27, 0.01),
    ("PEPEUSDT", 0.00001234, 0.00000001),
)

ENTER = 6.0


def symbols_of(count: int) -> tuple[tuple[str, float, float], ...]:
    """Name `count` symbols with a price and a tick size; the first twelve look real."""
    more = tuple((f"COIN{n:03d}USDT", 1.0 + n, 0.001) for n in range(len(MAJORS), count))
    return (MAJORS + more)[:count]


def wall_clock_us() -> int:
    """Return the time that moves a served board along."""
    return time.time_ns() // 1_000


class RecordedBoard:
    """Plays a seeded hour and whatever follows it: one bar a second for every symbol.

    The last symbol stopped trading two minutes before the end of that hour and its feed is down.
    The one before it is so thin that every fifth bar has no price. The second is in a critical
    episode that is open, the fourth in a minor one; three older ones are closed, one retracted.
    The volatility of the first was found to have risen, and to have fallen again, since. Ten
    minutes before, nine of twelve rose together: one alert of the market, and two under it.

    Args:
        count: Symbols.
        history_s: Bars a symbol known at the start, one a second.
        clock: Microseconds of any clock; the board moves along with it from `START_US` on.
        seed: The same seed gives the same bars.
        rename: Symbols that are to have another name.
    """

    def __init__(
        self,
        count: int = 12,
        *,
        history_s: int = 1_200,
        clock: Callable[[], int] = wall_clock_us,
        seed: int = 7,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        names = {} if rename is None else rename
        listed = [(names.get(symbol, symbol), *rest) for symbol, *rest in symbols_of(count)]
        self._symbols = tuple(symbol for symbol, _, _ in listed)
        self._history_s = history_s
        self._clock = clock
        self._began_us = clock()
        self._seed = seed
        self._lock = threading.Lock()
        self._forgotten = 0
        self._frames: list[pl.DataFrame] = []
        self._alert_frames: list[pl.DataFrame] = []
        self._start_prices = np.array([price for _, price, _ in listed])
        self._prices = self._start_prices.copy()
        self.incarnation = "first"
        self.reachable = True
        self.conditions: dict[str, str] = {}  # of the symbols that are not live
        self.connected = {symbol: symbol != self._symbols[-1] for symbol in self._symbols}
        self.plan = BoardPlan(
            venue="recorded",
            symbols=self._symbols,
            every_us=SECOND,
            by_trade=False,
            headline="realized_vol_1m",
            detector="multi_horizon",
            enter=dict.fromkeys(self._symbols, ENTER),
            exit=dict.fromkeys(self._symbols, 3.0),
            forward_fill_us=10 * SECOND,
            history_us=HOUR,
            tick_size={symbol: tick for symbol, _, tick in listed},
        )
        self._advance(history_s)

    @property
    def now_us(self) -> int:
        """The venue's clock."""
        return START_US + self._history_s * SECOND + self._clock() - self._began_us

    def restart(self) -> None:
        """Become another incarnation that has forgotten all but its newest minute."""
        with self._lock:
            self.incarnation += "+"
            self._forgotten += len(self._frames) - 60
            self._frames = self._frames[-60:]
            self._alert_frames = [ALERTS.to_frame()] * 60

    def snapshot(self, since: int) -> BoardSnapshot:
        """Return what came after the first `since` bars; as a coordinator would."""
        if not self.reachable:
            raise ClusterError("the coordinator does not answer")
        with self._lock:
            self._advance((self.now_us - START_US) // SECOND)
            frames = self._frames[since:]
            alerts = self._alert_frames[since:]
            version = len(self._frames)
        return BoardSnapshot(
            incarnation=self.incarnation,
            version=version,
            taken_us=self.now_us,
            venue_us=self.now_us,
            plan=self.plan,
            samples=pl.concat(frames) if frames else SAMPLES.to_frame(),
            alerts=pl.concat(alerts) if alerts else ALERTS.to_frame(),
            health=self._health(),
            connected=dict(self.connected),
            trades_per_s=41.5 * len(self._symbols),
            restarts=0,
            market_score=-1.4,
        )

    def _advance(self, step: int) -> None:
        done = self._forgotten + len(self._frames)
        for second in range(done, step):
            self._frames.append(self._bars(second))
            self._alert_frames.append(self._alerts(second))

    def _bars(self, second: int) -> pl.DataFrame:
        count = len(self._symbols)
        rng = np.random.default_rng((self._seed, second))
        place = np.arange(count)
        wave = 1 + 0.35 * np.sin((second + 37 * place) / (90 + place % 40))
        volatility = (0.28 + 0.05 * (place % 7)) * wave * (1 + 0.02 * rng.standard_normal(count))
        score = np.abs(rng.standard_t(5, count)) * 0.8
        direction = np.where(rng.random(count) < 0.5, -1, 1)
        for who, begin, end, strength, sign in self._episodes():
            if begin <= second < end:
                volatility[who] *= 1 + strength / 6 * np.exp(-(second - begin) / 60)
                score[who] = strength * np.exp(-(second - begin) / 25) + 0.3 * score[who]
                direction[who] = sign
        move = direction * score * volatility * 1e-5
        self._prices = self._prices * (1 + move - 0.002 * np.log(self._prices / self._start_prices))
        rows = SAMPLES.to_frame().clear()
        trading = np.ones(count, bool)
        trading[-1] = second < self._history_s - 120
        known = trading & ~((place == count - 2) & (second % 5 == 0))
        frame = pl.DataFrame(
            {
                "symbol": self._symbols,
                "open_time": np.full(count, START_US + second * SECOND),
                "close": np.where(known, self._prices, np.nan),
                "volatility": np.where(known, volatility, np.nan),
                "score": np.where(known, score, np.nan),
                "direction": direction,
                "complete": np.ones(count, bool),
                "regime": [("normal", "elevated", "calm", "extreme")[at % 4] for at in place],
                "regime_change": [self._change(who, second) for who in range(count)],
                "revision": np.zeros(count, np.int32),
            }
        )
        values = pl.col("close", "volatility", "score").fill_nan(None)
        return frame.with_columns(values, pl.col("open_time").cast(TIME)).cast(dict(rows.schema))[
            np.flatnonzero(trading)
        ]

    def _change(self, who: int, second: int) -> int:
        """Return 1 where the volatility of the first symbol was found to have risen, -1 fallen."""
        begin = self._history_s
        return {(0, begin - 105): 1, (0, begin - 60): -1}.get((who, second), 0)

    def _episodes(self) -> list[tuple[int, int, int, float, int]]:
        """Return who, first second, end (exclusive), strength and sign of the move."""
        now = self._history_s
        count = len(self._symbols)
        return [
            (1, now - 20, now + 3_600, 14.2, -1),
            (3 % count, now - 70, now + 3_600, 7.1, 1),
            (0, now - 110, now - 75, 9.4, 1),
            (0, now - 420, now - 380, 6.8, -1),
            (7 % count, now - 900, now - 840, 6.2, -1),
            (5 % count, now + 4, now + 30, 12.6, 1),
        ]

    def _alerts(self, second: int) -> pl.DataFrame:
        rows = [
            self._alert(who, begin, second if second == end else None, strength, sign)
            for who, begin, end, strength, sign in self._episodes()
            if second in {begin, end}
        ]
        begin, end = self._history_s - 640, self._history_s - 560
        if second in {begin, end}:
            rows += self._market(begin, second if second == end else None)
        if second == self._history_s - 300:
            retracted = self._alert(2, second, second + 3, 6.1, -1)
            rows.append({**retracted, "status": "retracted"})
        return pl.DataFrame(rows, schema=ALERTS)

    def _market(self, begin: int, end: int | None) -> list[dict[str, object]]:
        """Return an alert of the market, and those of two symbols that are part of it."""
        strengths = {0: 9.1, 4 % len(self._symbols): 8.7, 2 % len(self._symbols): 7.3}
        market, *parts = (self._alert(who, begin, end, z, 1) for who, z in strengths.items())
        whole = {"symbol": "MARKET", "alert_id": f"MARKET-{begin}", "exceeding": 9, "members": 12}
        part = {"scope": "market", "parent_id": whole["alert_id"]}
        return [{**market, **whole, "scope": "market"}, *({**one, **part} for one in parts)]

    def _alert(
        self, who: int, begin: int, end: int | None, strength: float, sign: int
    ) -> dict[str, object]:
        def at(second: int) -> dt.datetime:
            return dt.datetime.fromtimestamp((START_US + second * SECOND) / SECOND, dt.UTC)

        return {
            "alert_id": f"{self._symbols[who]}-{begin}",
            "symbol": self._symbols[who],
            "detector": "multi_horizon",
            "kind": "move",
            "severity": "critical" if strength > 12 else "major" if strength > 8 else "minor",
            "scope": "idiosyncratic",
            "status": "open" if end is None else "closed",
            "start_time": at(begin),
            "end_time": None if end is None else at(end),
            "peak_time": at(begin),
            "peak_score": strength,
            "threshold": 6.0,
            "move_bp": sign * strength * 4.1,
            "direction": sign,
            "horizon_s": 15.0,
            "samples": 300,
            "window_start": at(begin - 300),
            "window_end": at(begin),
            "revision": 0 if end is None else 1,
        }

    def _health(self) -> pl.DataFrame:
        count = len(self._symbols)
        now_us = self.now_us
        wobble = 1 + 2e-5 * np.sin(now_us / 4e5 + np.arange(count))
        traded_us = np.full(count, now_us - 180_000)
        traded_us[-1] = START_US + (self._history_s - 120) * SECOND
        frame = pl.DataFrame({"symbol": self._symbols}).with_columns(
            last_price=pl.Series(self._prices * wobble),
            last_trade_time=pl.Series(traded_us).cast(TIME),
            enter=pl.lit(6.0),
            condition=pl.col("symbol").replace_strict(
                self.conditions, default="live", return_dtype=pl.String
            ),
            # The first one has an order book.
            bid=pl.Series([self._prices[0] * 0.9999, *[None] * (count - 1)]),
            ask=pl.Series([self._prices[0] * 1.0001, *[None] * (count - 1)]),
            imbalance=pl.Series([-0.25, *[None] * (count - 1)]),
        )
        unknown = [
            pl.lit(None, dtype).alias(name)
            for name, dtype in HEALTH.items()
            if name not in frame.columns
        ]
        return frame.with_columns(unknown).select(HEALTH.names()).cast(dict(HEALTH))


def without_prices(snapshot: BoardSnapshot) -> BoardSnapshot:
    """Return a snapshot of a pipeline that has not seen a trade."""
    return replace(
        snapshot,
        venue_us=None,
        samples=snapshot.samples.clear(),
        alerts=snapshot.alerts.clear(),
        health=snapshot.health.clear(),
        connected={},
    )


def main() -> None:
    """Serve a recorded board until interrupted."""
    from viz.server import serve  # noqa: PLC0415 - only needed to look at it

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 5007
    server = serve(RecordedBoard(count), host="127.0.0.1", port=port)
    sys.stdout.write(server.url + "\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
