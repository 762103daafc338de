"""One tick of the board: what changes for every reader, as the JSON the browser reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from pipeline.regimes import NAMES as REGIMES

if TYPE_CHECKING:
    from pipeline.board import BoardPlan

#: A pipeline that reports nothing new for longer than this is shown as stale.
BOARD_STALE_S = 3.0

_REGIME_RANKS = {name: rank for rank, name in enumerate(REGIMES, start=1)}

#: Conditions of markets that are watched no more.
_ENDED = ("delisted", "outranked")

#: Conditions under which the newest price is one all the same.
_FRESH_CONDITIONS = ("slow", "healing", "skewed", "lossy")

#: States of a symbol whose price is fresh.
FRESH = frozenset({"live", "warming", *_FRESH_CONDITIONS})

#: States that somebody should know of, the worst first.
_TROUBLES = ("down", "stale", "slow", "healing", "skewed", "halted", "lossy")


class Plan(msgspec.Struct, frozen=True):
    """What the browser must know once: columns are in the order of `symbols`."""

    venue: str
    symbols: tuple[str, ...]
    tick_size: list[float]
    every_ms: float
    headline: str
    detector: str


class Tick(msgspec.Struct, frozen=True):
    """What the browser paints each tick; lists are in the order of `Plan.symbols`.

    Null is a value that is not known. `stamp_ms` is what the browser acknowledges once painted.
    """

    stamp_ms: int
    state: str  # starting, live, stale, offline
    reason: str  # one line: why it is not live, or what is wrong with some symbols
    venue_ms: float | None
    age_s: float | None  # of the newest trade of any symbol
    trades_per_s: float
    live: int  # symbols with a fresh price
    recent_alerts: int  # in the last 15 minutes
    market_score: float | None  # of all symbols as one, signed
    restarts: int
    price: list[float | None]
    volatility: list[float | None]
    enter: list[float]  # score from which an episode starts
    score: list[float | None]  # signed by the direction of the tested return
    baseline: list[float | None]
    elevated: list[float | None]
    regime: list[int]  # place in `pipeline.regimes.NAMES` plus one, 0 while unknown
    symbol_age_s: list[float | None]
    # A condition of `pipeline.conditions`, or warming: no volatility so far.
    symbol_state: list[str]
    spread_bp: list[float | None]  # of the order book's best prices, null without a true one
    imbalance: list[float | None]
    severity: list[int]  # rank of the most severe open alert, 0 without one


def plan_json(plan: BoardPlan) -> str:
    """Return the plan as the browser reads it."""
    message = Plan(
        venue=plan.venue,
        symbols=plan.symbols,
        tick_size=[plan.tick_size[symbol] for symbol in plan.symbols],
        every_ms=plan.every_us / 1e3,
        headline=plan.headline,
        detector=plan.detector,
    )
    return msgspec.json.encode(message).decode()


def cell_frame(
    known: pl.DataFrame, *, venue_us: int | None, silent_s: float, stale_s: float
) -> pl.DataFrame:
    """Return one row a symbol as the overview shows it.

    Args:
        known: One row a symbol: `last_price`, `last_trade_time`, `condition`, `connected`,
            `volatility`, `score`, `direction`, `regime`, `baseline`, `elevated`, `bid`, `ask`,
            `imbalance`; null where nothing was reported.
        venue_us: The newest venue clock reported.
        silent_s: For how long that clock has not moved; ages go on growing meanwhile.
        stale_s: For how long a price holds without a newer trade.

    Returns:
        `price`, `volatility`, `score` (signed), `baseline`, `elevated`, `regime` (its rank),
        `age_s`, `state`, `spread_bp` and `imbalance`, rows as in `known`. The state follows the
        condition, which is up to a second old: a price that was fresh then may have grown old
        since, and that of a silent pipeline does.
    """
    trade_us = pl.col("last_trade_time").dt.timestamp("us")
    age_s = ((pl.lit(venue_us, pl.Int64) - trade_us) / 1e6 + silent_s).clip(0)
    condition, is_old = pl.col("condition"), age_s > stale_s
    bid, ask = pl.col("bid"), pl.col("ask")
    is_reporting = pl.lit(silent_s <= BOARD_STALE_S)
    state = (
        pl.when(condition.is_in(_ENDED))
        .then(condition)
        .when(pl.col("last_price").is_null())
        .then(pl.lit("waiting"))
        .when(~pl.col("connected"))
        .then(pl.lit("down"))
        .when(is_old & is_reporting & (condition == "halted"))
        .then(condition)
        .when(is_old & is_reporting & condition.is_in(["quiet", "live", "lossy"]))
        .then(pl.lit("quiet"))
        .when(is_old | (condition == "stale"))
        .then(pl.lit("stale"))
        .when(condition.is_in(_FRESH_CONDITIONS))
        .then(condition)
        .when(pl.col("volatility").is_null() & pl.col("baseline").is_null())
        .then(pl.lit("warming"))
        .otherwise(pl.lit("live"))
    )
    return known.select(
        price="last_price",
        volatility=pl.col("volatility").round(5),
        score=(pl.col("score") * pl.col("direction")).round(2),
        baseline=pl.col("baseline").round(5),
        elevated=pl.col("elevated").round(5),
        regime=pl.col("regime").replace_strict(_REGIME_RANKS, default=0, return_dtype=pl.Int64),
        age_s=age_s.round(1),
        state=state,
        spread_bp=_of_book((20_000 * (ask - bid) / (ask + bid)).round(2), state),
        imbalance=_of_book(pl.col("imbalance").round(2), state),
    )


def _of_book(value: pl.Expr, state: pl.Expr) -> pl.Expr:
    """Return what an order book says, null where the market's state does not bear it out."""
    return pl.when(state.is_in(FRESH)).then(value)


def judge(
    *, failure: str | None, states: list[str], silent_s: float, venue_us: int | None
) -> tuple[str, str]:
    """Return the state of the whole board, and one line: why it is not live, or what is wrong."""
    if failure is not None:
        return "offline", failure
    if venue_us is None or all(state == "waiting" for state in states):
        return "starting", "waiting for the first trade"
    if silent_s > BOARD_STALE_S:
        return "stale", f"no report from the pipeline for {silent_s:.0f} s"
    if FRESH.isdisjoint(states):
        silent = not {"quiet", "halted"}.isdisjoint(states)
        return "stale", "no market trades" if silent else "no symbol has a live feed"
    counts = [(states.count(trouble), trouble) for trouble in _TROUBLES]
    return "live", ", ".join(f"{count} {trouble}" for count, trouble in counts if count)
