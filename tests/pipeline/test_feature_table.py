"""Feature tables, and the plugins people write: modules of their own on the path."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.durations import DAY, HOUR, MINUTE, SECOND
from pipeline.feature_table import FeatureTable
from pipeline.plugins import load_features
from pipeline.windows import RollingSum, Windows
from tests.pipeline.window_oracles import GOLDEN, closes, samples

NAMES = (f"plugin_{number}" for number in itertools.count())

HEAD = """
import polars as pl
from pipeline.features import feature
"""

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module and return its name: one that no test imported before."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def module(*functions: str, head: str = HEAD) -> str:
        name = next(NAMES)
        (tmp_path / f"{name}.py").write_text(head + "\n".join(functions), encoding="utf-8")
        return name

    return module


def of(template: str, expression: str, arguments: str = "") -> str:
    name = template.partition("_{")[0]
    return f"@feature({template!r})\ndef {name}({arguments}):\n    return {expression}\n"


def compute(table: FeatureTable, volume: float = 2.0) -> pl.DataFrame:
    close = closes(GOLDEN)
    windows = Windows([[*table.statistics.sums, RollingSum("returns", 1)]])
    bars = pl.DataFrame({"close": close, "volume": np.full(len(close), volume)})
    return table.compute(bars, windows.push(samples(close)), None)


def test_table_keeps_the_order_of_its_names() -> None:
    names = ["vol_ratio_2s_4s", "realized_vol_5s", "realized_vol_2s"]
    table = FeatureTable(names, every_us=SECOND)
    assert compute(table).columns == names
    assert compute(table).schema == dict.fromkeys(names, pl.Float64())


def test_table_of_no_rows_has_its_columns() -> None:
    table = FeatureTable(["realized_vol_5s"], every_us=SECOND)
    columns = Windows([list(table.statistics.sums)]).push(samples([]))
    assert table.compute(pl.DataFrame(), columns, None).schema == {"realized_vol_5s": pl.Float64()}


@pytest.mark.parametrize(
    ("name", "reach_us"),
    [
        ("realized_vol_5m", 5 * MINUTE),
        ("vol_ratio_5m_1h", HOUR),
        ("trade_burst_z_10s", 30 * MINUTE + 10 * SECOND),
        ("realized_vol_1d", DAY),
    ],
)
def test_table_says_how_much_history_makes_all_known(name: str, reach_us: int) -> None:
    assert FeatureTable([name, "realized_vol_1m"], every_us=SECOND).reach_us == reach_us


def test_plugin_of_bars_statistics_durations_and_other_features_is_computed(write: Write) -> None:
    plugin = write(
        of("turnover", "pl.col('close') * pl.col('volume')"),
        of(
            "spread_{short}_{long}",
            "pl.col(f'realized_vol_{short}') - pl.col(f'realized_vol_{long}')",
            "short, long",
        ),
        of("twice", "2.0 * pl.col('spread_2s_10s') + pl.col('log_return')"),
    )
    names = ["twice", "turnover", "realized_vol_2s", "realized_vol_10s"]
    found = compute(FeatureTable(names, [plugin], every_us=SECOND), volume=3.0)
    last = dict(zip(names, found.row(-1), strict=True))
    assert found["turnover"].to_list() == (3.0 * closes(GOLDEN)).tolist()
    assert last["twice"] == pytest.approx(
        2.0 * (last["realized_vol_2s"] - last["realized_vol_10s"]) - 0.0012, rel=1e-12
    )
    assert found["twice"].is_null().to_list() == [True] * 10 + [False]


def test_plugin_that_is_not_a_number_is_unknown_in_what_builds_on_it(write: Write) -> None:
    plugin = write(
        of("root", "pl.col('log_return').sqrt()"),
        of("sign", "pl.when(pl.col('root') >= 0.0).then(1.0).otherwise(0.0)"),
    )
    found = compute(FeatureTable(["root", "sign"], [plugin], every_us=SECOND))
    # The second return is below zero; NaN would count as larger than any number.
    assert found["root"].is_null().to_list()[:4] == [True, False, True, False]
    assert found["sign"].to_list()[:4] == [0.0, 1.0, 0.0, 1.0]


def test_plugin_may_import_features_that_there_are(write: Write) -> None:
    head = HEAD + "from pipeline.features import annualised, realized_vol\n"
    first = write(of("half", "realized_vol.build('2s') / 2"), head=head)
    second = write(of("quarter", "half.build() / 2"), head=HEAD + f"from {first} import half\n")
    names = ["realized_vol_2s", "quarter"]
    found = compute(FeatureTable(names, [first, second], every_us=SECOND))
    assert found["quarter"][-1] == pytest.approx(found["realized_vol_2s"][-1] / 4)
    assert [one.template for one in load_features([first, second])] == ["half", "quarter"]


def refused(name: str, *plugins: str, every_us: int | None = SECOND) -> str:
    with pytest.raises(ValueError, match="expected") as caught:
        FeatureTable([name], plugins, every_us=every_us)
    return str(caught.value)


def test_plugin_that_cannot_be_imported_says_why(write: Write) -> None:
    assert refused("mine", "no_such_plugin") == (
        "expected a module that can be imported, found 'no_such_plugin': "
        "No module named 'no_such_plugin'"
    )
    broken = write(head="1 / 0\n")
    assert refused("mine", broken) == (
        f"expected a module that can be imported, found {broken!r}: division by zero"
    )
    ends = write(head="import sys\nsys.exit(3)\n")
    assert refused("mine", ends) == (f"expected a module that can be imported, found {ends!r}: 3")


def test_plugin_without_features_says_so(write: Write) -> None:
    plugin = write("def mine():\n    return pl.col('close')")
    message = f"expected functions marked @feature or @detector in {plugin!r}, found none"
    assert refused("mine", plugin) == message


@pytest.mark.parametrize(
    "template", ["realized_vol_{window}", "realized_vol_{w}", "realized_vol_5m", "close", "score"]
)
def test_plugin_with_a_name_that_is_taken_says_so(write: Write, template: str) -> None:
    plugin = write(f"@feature({template!r})\ndef mine(**_):\n    return pl.col('close')")
    assert refused("mine", plugin) == f"expected a name of its own, found {template!r} in {plugin}"


def test_plugins_with_names_of_each_other_say_so(write: Write) -> None:
    first, second = write(of("mine_5m", "pl.col('close')")), write(of("mine_{w}", "pl.col('low')"))
    assert refused("mine_5m", first, second) == (
        f"expected a name of its own, found 'mine_{{w}}' in {second}"
    )
    twice = write(of("mine", "pl.col('close')"), "other = feature('mine')(lambda: pl.col('low'))")
    assert refused("mine", twice) == f"expected a name of its own, found 'mine' in {twice}"


@pytest.mark.parametrize(
    "expression",
    [
        "pl.col('close').rolling_mean(3)",
        "pl.col('close').shift(1)",
        "pl.col('close').shift(-1)",
        "pl.col('close') - pl.col('close').mean()",
        "pl.col('log_return').cum_sum()",
        "pl.col('close').sort()",
        "pl.col('close').diff()",
        "pl.col('close').rank()",
        "pl.col('close').forward_fill()",
        "pl.col('close').backward_fill()",
        "pl.col('close').interpolate()",
        "pl.col('close').mean().over('volume')",
        "pl.col('close').ewm_mean(half_life=3.0)",
        "pl.col('close') * pl.int_range(pl.len())",
        "pl.col('realized_vol_5s').max()",
        # What 64 made-up rows do not show.
        "pl.col('variance@1m').rolling_mean(100)",
        "pl.col('close').shift(64)",
        "pl.when(pl.col('trades') < 0).then(pl.col('close').forward_fill()).otherwise(1.0)",
        "pl.sum_horizontal(pl.all())",
        "pl.col('close').map_batches(lambda close: close)",
        "pl.col('close').is_in(pl.col('open')).cast(pl.Float64)",
    ],
)
def test_plugin_that_is_not_row_wise_is_refused(write: Write, expression: str) -> None:
    assert refused("mine", write(of("mine", expression))) == (
        "expected 'mine' to need its own row only, found a value that depends on others"
    )


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("pl.col('close') > 1.0", "expected 'mine' to be Float64, found Boolean"),
        ("pl.col('close').cast(pl.Int64)", "expected 'mine' to be Float64, found Int64"),
        ("pl.col('close').cast(pl.Float32)", "expected 'mine' to be Float64, found Float32"),
        ("pl.col('close').cast(pl.String)", "expected 'mine' to be Float64, found String"),
        ("pl.col('close').str.head(2)", "expected 'mine' to be computable, found "),
        ("1.0", "expected an expression of 'mine', found 1.0"),
        ("nothing", "expected an expression of 'mine', found name 'nothing' is not defined"),
        ("pl.col('mine')", "expected no circle, found mine -> mine"),
        ("pl.col('variance@5x')", "expected a duration such as 250ms, 1s, "),
        ("pl.col('vol@5m')", "expected a statistic such as variance@5m, found 'vol@5m'"),
        ("pl.col('variance@0s')", "expected a window up to 1d, found 'variance@0s'"),
        ("pl.col('variance@25h')", "expected a window up to 1d, found 'variance@25h'"),
        (
            "pl.col('variance@1500ms')",
            "expected a window that is a multiple of 1s, found 'variance@1500ms'",
        ),
    ],
)
def test_plugin_that_cannot_be_used_says_why(write: Write, expression: str, message: str) -> None:
    found = refused("mine", write(of("mine", expression)))
    assert found.startswith(message)
    assert "\n" not in found


def test_feature_to_blame_is_named_whatever_builds_on_it_or_stands_beside_it(write: Write) -> None:
    plugin = write(
        of("good", "pl.col('close') * 2.0"),
        of("bad", "pl.col('close').cast(pl.Int8)"),
        of("above", "pl.col('bad') + pl.col('good')"),
    )
    with pytest.raises(ValueError, match=r"^expected 'bad' to be "):
        FeatureTable(["above", "good"], [plugin], every_us=SECOND)


def test_plugin_whose_function_does_not_take_its_durations_says_so(write: Write) -> None:
    found = refused("mine_5m", write(of("mine_{window}", "pl.col('close')", "w")))
    assert found.startswith("expected an expression of 'mine_5m', found mine() got an unexpected")


def test_plugins_that_build_on_each_other_in_a_circle_say_so(write: Write) -> None:
    plugin = write(
        of("a", "pl.col('b') + 1.0"),
        of("b", "pl.col('c')"),
        of("c", "pl.col('log_return') + pl.col('a')"),
    )
    assert refused("b", plugin) == "expected no circle, found b -> c -> a -> b"


def test_name_that_is_of_no_feature_lists_those_there_are(write: Write) -> None:
    message = refused("vol_1m", write(of("mine_{w}", "pl.col('close')")))
    assert message.startswith("expected one of bipower_vol_{window}, ewma_vol_{half_life}, ")
    assert ", mine_{w}, " in message
    assert message.endswith(", found 'vol_1m'")
    # A column that features may not use is no feature, either.
    assert refused("mine", write(of("mine", "pl.col('open_time')"))).endswith(", found 'open_time'")


def test_feature_that_needs_a_grid_says_so_where_every_trade_is_a_sample() -> None:
    assert refused("trade_burst_z_10s", every_us=None) == (
        "expected a grid (sampling.every) for 'trades@30m,lag=10s', found trades"
    )
