"""The Polars namespace: the engine's bits, in any query."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import pipeline.window_expressions  # noqa: F401 - registers the namespace
from pipeline.config import Config
from pipeline.engine import ShardEngine
from tests.pipeline.trades import trades_frame

GOLDEN = [0.001, -0.002, 0.0015, 0.0005, -0.001, 0.003, -0.0025, 0.0, 0.0007, -0.0012]

FEATURES = ["realized_vol_1m", "jump_share_1m", "roll_spread_bp_1m"]


def golden() -> pl.DataFrame:
    close = 100.0 * np.exp(np.cumsum([0.0, *GOLDEN]))
    times = pl.Series(np.arange(11) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"close": close, "time": times})


def last(expression: pl.Expr, frame: pl.DataFrame | None = None) -> float | None:
    return (golden() if frame is None else frame).select(expression.alias("it"))["it"][-1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("std", 0.0016891812612426572),
        ("realized_variance", 2.568e-05),
        ("bipower", 3.0700341542580256e-05),
        ("roll_spread", 0.002674156149350877),
        ("mean", 0.0),
    ],
)
def test_namespace_of_the_golden_returns_gives_their_numbers(name: str, expected: float) -> None:
    for window, by in ((10, None), ("10s", None), ("10s", "time")):
        found = last(getattr(pl.col("close").windows, name)(window, by=by))
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_namespace_has_the_subsampled_variance_and_the_annual_volatility_of_the_page() -> None:
    windows = pl.col("close").windows
    assert last(windows.subsampled_variance(10, 3)) == pytest.approx(3.83e-06, rel=1e-9)
    assert last(windows.subsampled_variance("10s", "3s")) == last(
        windows.subsampled_variance(10, 3)
    )
    rms = 0.0016024980499208105
    assert last(windows.realized_vol("10s")) == pytest.approx(rms * 31_536_000**0.5, rel=1e-9)
    assert last(windows.log_return()) == pytest.approx(-0.0012, rel=1e-9)


def test_zscore_of_the_golden_window_judges_the_return_after_it() -> None:
    close = 100.0 * np.exp(np.cumsum([0.0, *GOLDEN, 0.006]))
    frame = pl.DataFrame({"close": close})
    assert last(pl.col("close").windows.zscore(10), frame) == pytest.approx(3.552017, abs=1e-6)
    assert last(pl.col("close").windows.zscore(10), golden().head(10)) is None


def test_ewma_variance_of_the_golden_returns_is_that_of_riskmetrics() -> None:
    half_life = np.log(0.5) / np.log(0.94)
    found = last(pl.col("close").windows.ewma_variance(half_life))
    assert found == pytest.approx(2.5352205301757865e-06, rel=1e-9)
    timed = last(pl.col("close").windows.ewma_variance(half_life, by="time"))
    assert timed == pytest.approx(2.5352205301757865e-06, rel=1e-9)


def noisy(symbol: str, count: int, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    prices = 100.0 * np.exp(np.cumsum(random.normal(0, 1e-4, count)))
    seconds = np.cumsum(random.choice([0.3, 1.0, 2.0, 14.0], count, p=[0.5, 0.3, 0.15, 0.05]))
    rows = [
        (symbol, at + 1, float(second), round(float(price), 6), 1.0)
        for at, (second, price) in enumerate(zip(seconds, prices, strict=True))
    ]
    return trades_frame(rows)


@pytest.mark.parametrize("every", ["1s", "trade"])
def test_namespace_over_bars_gives_the_bits_of_the_engine(every: str) -> None:
    config = Config.model_validate(
        {
            "symbols": ["A", "B"],
            "sampling": {"every": every},
            "features": FEATURES,
            "detector": {"name": "zscore"},
        }
    )
    engine = ShardEngine(config.symbols, config)
    trades = pl.concat([noisy("A", 600, 1), noisy("B", 600, 2)]).sort("event_time")
    told = [engine.step(trades), engine.finish()]
    bars = pl.concat([one.bars for one in told])
    features = pl.concat([one.features for one in told])
    by = None if every == "1s" else "open_time"

    def all_of(close: pl.Expr) -> dict[str, pl.Expr]:
        windows = close.windows
        return {
            "log_return": windows.log_return(),
            "realized_vol_1m": windows.realized_vol("1m", by=by),
            "jump_share_1m": windows.jump_share("1m", by=by),
            "roll_spread_bp_1m": 1e4 * windows.roll_spread("1m", by=by),
            "z": windows.zscore(120, by=by).abs(),
        }

    found = bars.with_columns(
        **{name: one.over("symbol") for name, one in all_of(pl.col("close")).items()}
    )
    for name in ("log_return", "realized_vol_1m", "jump_share_1m"):
        assert found[name].null_count() < found.height
        assert found[name].equals(features[name], check_names=False)
    spread = found["roll_spread_bp_1m"].to_numpy()
    assert np.allclose(spread, features["roll_spread_bp_1m"].to_numpy(), rtol=1e-15, equal_nan=True)
    if every == "1s":  # of trades the engine's score is judged by the same samples, too
        assert np.allclose(
            found["z"].to_numpy(), features["score"].to_numpy(), rtol=1e-12, equal_nan=True
        )


@pytest.mark.parametrize(
    "collect",
    [
        lambda frame, one: frame.with_columns(one),
        lambda frame, one: frame.lazy().with_columns(one).collect(engine="in-memory"),
        lambda frame, one: frame.lazy().with_columns(one).collect(engine="streaming"),
    ],
    ids=["eager", "in-memory", "streaming"],
)
def test_namespace_in_any_engine_gives_the_bits_of_each_symbol_alone(
    collect: Callable[[pl.DataFrame, pl.Expr], pl.DataFrame],
) -> None:
    random = np.random.default_rng(5)
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B"] * 400,
            "close": 100.0 * np.exp(np.cumsum(random.normal(0, 1e-4, 800))),
        }
    )
    score = pl.col("close").windows.score(["5s", "15s"], "60s").alias("score")
    together = collect(frame, score.over("symbol"))
    for symbol in ("A", "B"):
        alone = frame.filter(pl.col("symbol") == symbol).with_columns(score)
        assert together.filter(pl.col("symbol") == symbol).equals(alone)
        assert alone["score"].null_count() < 100


def plain_scores(
    close: list[float], horizons: list[int], window: int, need: int, trim: float, floor: float
) -> list[tuple[float, int] | None]:
    """The recipe in plain floats: r_h against the trimmed squares of the window h steps ago."""
    x = [float(np.log(price)) for price in close]
    told: list[tuple[float, int] | None] = []
    trimmed: dict[tuple[int, int], float] = {}
    for t in range(len(x)):
        judged_all: list[tuple[float, int]] = []
        for h in horizons:
            if t < h:
                continue
            inside = [i for i in range(t - h - window + 1, t - h + 1) if i >= h]
            full = t - h - window + 1 >= h
            squares = [(x[i] - x[i - h]) ** 2 for i in inside]
            known = full and len(squares) >= need
            square = (x[t] - x[t - h]) ** 2
            trimmed[h, t] = square
            if known:
                mean = max(sum(squares) / len(squares), floor**2)
                trimmed[h, t] = mean if square > trim**2 * mean else square
                judged = max(sum(trimmed[h, i] for i in inside) / len(inside), floor**2)
                z = (x[t] - x[t - h]) / judged**0.5
                judged_all.append((z, h))
        best = max(judged_all, key=lambda one: abs(one[0]), default=None)
        told.append(best if len(judged_all) == len(horizons) else None)
    return told


def test_score_follows_the_recipe_with_jumps_trimmed_and_flat_stretches_floored() -> None:
    random = np.random.default_rng(8)
    returns = random.normal(0, 1e-4, 400)
    returns[150], returns[200:260], returns[300] = 0.02, 0.0, -0.01
    close = 100.0 * np.exp(np.cumsum(returns))
    found = pl.DataFrame({"close": close}).select(
        pl.col("close").windows.score([2, 5], 30, need=10).alias("score")
    )["score"]
    expected = plain_scores(close.tolist(), [2, 5], 30, 10, 4.0, 0.3e-4)
    assert sum(one is None for one in expected) < 60
    for ours, plain in zip(found.to_list(), expected, strict=True):
        if plain is None:
            assert ours is None
            continue
        assert ours["score"] == pytest.approx(abs(plain[0]), rel=1e-8, abs=1e-12)
        assert ours["horizon"] == plain[1] or ours["score"] < 1e-9
        assert ours["direction"] == np.sign(plain[0]) or abs(plain[0]) < 1e-9


def test_namespace_is_null_where_a_price_is_missing_and_until_the_window_is_full() -> None:
    frame = pl.DataFrame({"close": [1.0, 1.1, None, 1.2, 1.3, 1.2, 1.1, 1.2]})
    found = frame.select(
        r=pl.col("close").windows.log_return(), v=pl.col("close").windows.realized_variance(3)
    )
    assert found["r"].is_null().to_list() == [True, False, True, True, False, False, False, False]
    # Of three returns two must be known.
    assert found["v"].is_null().to_list() == [True] * 5 + [False] * 3


def test_deviation_of_a_single_return_is_unknown() -> None:
    assert last(pl.col("close").windows.std(1)) is None
    assert last(pl.col("close").windows.std("1s", by="time")) is None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda w: w.realized_variance(0), "a window of 1 to 100,000,000 samples, found 0"),
        (lambda w: w.realized_variance(-5), "a window of 1 to 100,000,000 samples, found -5"),
        (lambda w: w.std(10**13), "a window of 1 to 100,000,000 samples, found 10000000000000"),
        (lambda w: w.std(1.5), "expected a duration or a number of samples, found 1.5"),
        (lambda w: w.std(True), "expected a duration or a number of samples, found True"),
        (lambda w: w.std("5m", every="0s"), "expected a grid step above zero, found '0s'"),
        (lambda w: w.realized_vol("5m", every="0s"), "a grid step above zero, found '0s'"),
        (lambda w: w.ewma_variance("5m", every="0s"), "a grid step above zero, found '0s'"),
        (lambda w: w.ewma_variance(float("nan")), "expected a half-life above zero, found nan"),
        (lambda w: w.score([5], 10, need=0), "expected to need one return or more, found 0"),
        (lambda w: w.realized_variance("1500ms"), "a multiple of 1s, found '1500ms'"),
        (lambda w: w.subsampled_variance(5, 10), "expected a step within the window 5, found 10"),
        (lambda w: w.subsampled_variance("5s", "6s"), "a step within the window '5s', found '6s'"),
        (lambda w: w.subsampled_variance(5, 0), "a window of 1 to 100,000,000 samples, found 0"),
        (lambda w: w.ewma_variance(0.0), "expected a half-life above zero"),
        (lambda w: w.score([], 10), "expected horizons from short to long"),
        (lambda w: w.score([5, 2], 10), "expected horizons from short to long"),
    ],
)
def test_namespace_refuses_what_makes_no_sense(
    build: Callable[[object], pl.Expr], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        build(pl.col("close").windows)


def test_namespace_by_time_refuses_time_that_goes_back_or_is_missing() -> None:
    one = pl.col("close").windows.realized_variance("3s", by="time")
    with pytest.raises(ValueError, match="expected rows in the order of 'time'"):
        golden().reverse().select(one)
    holed = golden().with_columns(pl.when(pl.col("close") < 100.0).then("time").alias("time"))
    with pytest.raises(ValueError, match="expected a time in every row of 'time'"):
        holed.select(one)
