from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config import Config, SymbolRule
from pipeline.config_file import load_config
from pipeline.detect.config import BudgetConfig
from pipeline.durations import HOUR, SECOND, format_duration
from pipeline.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder: Path, text: str, settings: list[str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text), settings or [])
    return list(caught.value.problems)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_of_every_shipped_file_loads(path: Path) -> None:
    config = load_config(path)
    assert len(config.symbols) >= 8 or config.symbol_rule is not None


def test_config_with_symbols_only_has_the_documented_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "symbols: [BTCUSDT]"))
    assert config.model_dump(mode="json") == {
        "venue": {
            "name": "exchange",
            "websocket_url": None,
            "rest_url": None,
            "ca_file": None,
        },
        "exchange": {"seed": 7, "trades_per_s": None, "jumps_per_hour": 6.0, "history": "75m"},
        "symbols": ["BTCUSDT"],
        "sampling": {
            "every": "1s",
            "lateness": "250ms",
            "forward_fill": "10s",
            "restate_within": "10m",
        },
        "plugins": [],
        "features": ["realized_vol_1m", "realized_vol_5m", "realized_vol_1h", "ewma_vol_1m"],
        "detector": {
            "enter": 6.0,
            "exit": 3.0,
            "hold": "30s",
            "cool_down": "1m",
            "min_move_bp": 5.0,
            "severity": {"major": 8.0, "critical": 12.0},
            "budget": None,
            "name": "multi_horizon",
            "horizons": ["5s", "15s", "30s"],
            "window": "5m",
            "winsor": 4.0,
            "floor_bp": 0.3,
            "tick": None,
        },
        "overrides": {},
        "market": {"min_symbols": 3, "fold_within": "10s"},
        "actors": {
            "symbols_per_actor": "auto",
            "flush": "250ms",
            "connection_life": "23h",
            "digest": False,
            "max_buffered_trades": 200_000,
            "max_held_trades": 200_000,
        },
        "board": {
            "serve": True,
            "host": "127.0.0.1",
            "port": 5006,
            "origins": [],
            "history": None,
        },
        "storage": {"directory": "data"},
        "books": None,
    }


@pytest.mark.parametrize(
    ("sampling", "market", "fold_within"),
    [
        ("{every: 1m}", "{}", "10m"),
        ("{every: 250ms}", "{}", "10s"),
        ("{every: 1m}", "{fold_within: 30s}", "30s"),
    ],
)
def test_market_folds_within_ten_steps_unless_it_is_told(
    tmp_path: Path, sampling: str, market: str, fold_within: str
) -> None:
    text = f"""
    symbols: [BTCUSDT]
    sampling: {sampling}
    market: {market}
    features: [realized_vol_1h]
    """
    assert format_duration(load_config(write(tmp_path, text)).market.fold_within) == fold_within


def test_market_that_cannot_be_is_refused(tmp_path: Path) -> None:
    text = """
    symbols: [BTCUSDT]
    market: {min_symbols: 1, fold_within: 2d}
    """
    assert problems_of(tmp_path, text) == [
        "market.min_symbols: Input should be greater than or equal to 2, found 1",
        "market.fold_within: expected 0s to 1d, found 2d",
    ]


def test_books_are_kept_where_a_section_asks_for_them(tmp_path: Path) -> None:
    told = [
        load_config(write(tmp_path, f"symbols: [BTCUSDT]\n{text}")).books
        for text in ("", "books: {}", "books: {levels: 50}")
    ]
    assert [books and books.levels for books in told] == [None, 10, 50]


def test_books_that_cannot_be_are_refused_with_their_place(tmp_path: Path) -> None:
    for levels, problem in ((0, "greater than or equal to 1"), (51, "less than or equal to 50")):
        assert problems_of(tmp_path, f"symbols: [A]\nbooks: {{levels: {levels}}}") == [
            f"books.levels: Input should be {problem}, found {levels}"
        ]
    text = "symbols: [A]\nbooks: {}\nactors: {symbols_per_actor: %d}"
    assert problems_of(tmp_path, text % 513) == [
        "books: expected actors.symbols_per_actor of at most 512 with books, found 513"
    ]
    assert load_config(write(tmp_path, text % 512)).books is not None


def test_ca_file_that_is_not_there_is_told_with_the_other_problems(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    text = f"""
    venue: {{name: binance, ca_file: {missing}}}
    symbols: [BTCUSDT]
    market: {{min_symbols: 1}}
    """
    assert problems_of(tmp_path, text) == [
        f"venue.ca_file: expected a file of PEM certificates, found no file {missing}",
        "market.min_symbols: Input should be greater than or equal to 2, found 1",
    ]
    missing.touch()
    assert problems_of(tmp_path, text)[0].startswith("market.min_symbols")


def test_config_printed_by_check_loads_to_the_same() -> None:
    first = load_config(CONFIGS[0])
    again = Config.model_validate(first.model_dump(mode="json"))
    assert again == first


def test_config_with_many_problems_reports_all_of_them_with_their_paths(tmp_path: Path) -> None:
    text = """
    venu: {name: exchange}
    symbols: [BTCUSDT, ETHUSDT, BTCUSDT]
    sampling: {every: 1 s, lateness: 2h}
    detector: {enter: 2.0, exit: 3.0, severity: {major: -1, minor: 2}}
    board: {port: 70000}
    """
    assert problems_of(tmp_path, text) == [
        "symbols: expected each name once, found BTCUSDT again",
        "sampling.every: expected a duration such as 250ms, 1s, 5m, 1h or 7d, found '1 s'",
        "sampling.lateness: expected 0s to 1m, found 2h",
        "detector.severity.major: Input should be greater than 0, found -1",
        "detector.severity.minor: unknown key",
        "board.port: Input should be less than or equal to 65535, found 70000",
        "venu: unknown key",
    ]


def test_config_problem_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "symbols: []")
    with pytest.raises(ConfigError, match=r"some\.yaml: symbols: "):
        load_config(path)


@pytest.mark.parametrize(
    ("sampling", "fill"),
    [
        ("{every: 1m}", "5m"),
        ("{every: 5s}", "25s"),
        ("{every: 100ms}", "10s"),
        ("{every: 1m, forward_fill: 10s}", "10s"),
        ("{every: trade}", "10s"),
    ],
)
def test_config_that_does_not_say_how_long_prices_hold_takes_five_steps(
    tmp_path: Path, sampling: str, fill: str
) -> None:
    config = load_config(write(tmp_path, f"symbols: [A]\nsampling: {sampling}"))
    assert config.model_dump(mode="json")["sampling"]["forward_fill"] == fill


@pytest.mark.parametrize("every", ["2d", "5", "x"])
def test_config_with_a_strange_step_tells_of_nothing_else(tmp_path: Path, every: str) -> None:
    problems = problems_of(tmp_path, f"symbols: [A]\nsampling: {{every: {every}}}")
    assert len(problems) == 1
    assert "sampling.every: " in problems[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("symbols: [btcusdt]", "symbols.0: expected the venue's upper-case name such as BTCUSDT"),
        ("symbols: [A/B/C]", "symbols.0: expected the venue's upper-case name"),
        ("symbols: [/USD]", "symbols.0: expected the venue's upper-case name"),
        ("symbols: [A=B]", "symbols.0: expected the venue's upper-case name"),
        (
            "symbols: [A, BTC/USD]",
            "symbols: expected names of exchange such as BTCUSDT, found BTC/USD",
        ),
        (
            "venue: {name: kraken}\nsymbols: [BTC/USD, BTCUSDT]",
            "symbols: expected names of kraken such as BTC/USD, found BTCUSDT",
        ),
        ("symbols: [A]\ndetector: {exit: 6.0}", "detector: expected exit < enter, found exit 6"),
        (
            "symbols: [A]\ndetector: {severity: {major: 12}}",
            "detector.severity: expected major < critical, found 12, 12",
        ),
        ("symbols: [A]\nfeatures: [vol_1m]", "features: expected one of bipower_vol_{window}, "),
        (
            "symbols: [A]\nfeatures: [realized_vol_2d]",
            "features: 'realized_vol_2d': expected a window up to 1d, found 'variance@2d'",
        ),
        (
            "symbols: [A]\nsampling: {every: 7s}",
            "features: 'realized_vol_1m': expected a window that is a multiple of 7s, found ",
        ),
        (
            "symbols: [A]\nvenue: {name: exchange, rest_url: 'http://h:1'}",
            "venue: expected both websocket_url and rest_url, or neither",
        ),
        ("symbols: [A]\nvenue: {name: mtgox}", "venue.name: Input should be 'exchange', "),
        ("symbols: [A]\noverrides: {B: {detector: {}}}", "overrides: expected names listed under"),
        ("symbols: [A]\nboard: {port: '5006'}", "board.port: Input should be a valid integer"),
        ("symbols: [A]\nsampling: {every: 1}", "sampling.every: expected a duration such as 100ms"),
        ("symbols: [A]\nsampling: {every: 50ms}", "sampling.every: expected 100ms to 1h, found 50"),
        ("symbols: [A]\nsampling: {every: trades}", "sampling.every: expected a duration such as"),
        (
            "symbols: [A]\nsampling: {every: trade}\nfeatures: [trade_burst_z_10s]",
            "features: 'trade_burst_z_10s': expected a grid (sampling.every) for 'trades@30m,",
        ),
        (
            "symbols: [A]\nplugins: [no_such_module]\nfeatures: [mine]",
            "plugins: expected a module that can be imported, found 'no_such_module': No module",
        ),
        ("symbols: [A]\nplugins: [polars, polars]", "plugins: expected each name once, found pola"),
        (
            "symbols: [A]\nplugins: [polars]",
            "plugins: expected functions marked @feature or @detector in 'pol",
        ),
        ("detector: {}", "symbols: required, but missing"),
        ("", "expected a mapping of sections, found an empty file"),
        ("- 1", "expected a mapping of sections, found list"),
        ("symbols: [A\nx: 1", "line 2, column 2: expected valid YAML"),
        ("symbols: [A]\nsymbols: [B]", "line 2, column 1: expected valid YAML: key 'symbols' app"),
    ],
)
def test_config_with_one_problem_says_what_and_where(
    tmp_path: Path, text: str, problem: str
) -> None:
    found = problems_of(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_config_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: expected a readable UTF-8 file"):
        load_config(tmp_path / "nowhere.yaml")


def test_settings_override_the_file_and_are_validated_like_it(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path, "symbols: [A]\ndetector: {enter: 9.0}"),
        ["detector.enter=7.5", "board.serve=false", "symbols=[B, C]"],
    )
    assert (config.detector.enter, config.board.serve, config.symbols) == (7.5, False, ("B", "C"))
    assert problems_of(
        tmp_path, "symbols: [A]", ["detector.enter=x", "nonsense", "symbols.0=B"]
    ) == [
        "--set: expected dotted.path=value, found 'nonsense'",
        "--set symbols.0: expected a section at symbols, found ['A']",
        "detector.enter: Input should be a valid number, found 'x'",
    ]


def test_overrides_fill_up_from_the_main_detector(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            "symbols: [A, B]\n"
            "detector: {name: zscore, window: 60, severity: {major: 9.0}}\n"
            "overrides: {B: {detector: {enter: 7.0, severity: {critical: 20.0}}}}",
        )
    )
    assert config.detector_of("A").enter == 6.0
    other = config.detector_of("B")
    assert (other.enter, other.window) == (7.0, 60)
    assert (other.severity.major, other.severity.critical) == (9.0, 20.0)


def test_overrides_report_a_problem_of_the_main_detector_once(tmp_path: Path) -> None:
    text = "symbols: [A]\ndetector: {windw: 9}\noverrides: {A: {detector: {entr: 7.0}}}"
    assert problems_of(tmp_path, text) == [
        "detector.windw: unknown key",
        "overrides.A.detector.entr: unknown key",
    ]


def test_every_trade_is_a_sample_where_sampling_says_so(tmp_path: Path) -> None:
    text = "symbols: [A]\nsampling: {every: trade}\nfeatures: [realized_vol_5m]"
    config = load_config(write(tmp_path, text))
    assert config.sampling.step_us is None
    assert config.warm_up_us == 300_000_000
    assert config.model_dump(mode="json")["sampling"]["every"] == "trade"
    assert Config.model_validate(config.model_dump(mode="json")) == config
    assert load_config(write(tmp_path, "symbols: [A]")).sampling.step_us == 1_000_000


def test_plugins_join_the_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (tmp_path / "features_of_mine.py").write_text(
        "import polars as pl\n"
        "from pipeline.features import feature\n"
        "@feature('vol_spread_{w}')\n"
        "def vol_spread(w):\n"
        "    return pl.col(f'realized_vol_{w}') - pl.col('realized_vol_1h')\n",
        encoding="utf-8",
    )
    text = "symbols: [A]\nplugins: [features_of_mine]\nfeatures: [vol_spread_5m]"
    assert load_config(write(tmp_path, text)).feature_table().names == ("vol_spread_5m",)
    text = text.replace("vol_spread_5m", "vol_spread_5d, realized_vol_9x")
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith("features: 'vol_spread_5d': expected a window up to 1d, found 'varia")
    assert "; expected one of bipower_vol_{window}, " in problem
    assert problem.endswith(", vol_spread_{w}, found 'realized_vol_9x'")


def test_warm_up_covers_the_longest_window_and_the_samples_a_score_needs(tmp_path: Path) -> None:
    hour = load_config(write(tmp_path, "symbols: [A]"))
    assert hour.warm_up_us == 3_601_000_000
    long = load_config(write(tmp_path, "symbols: [A]\ndetector: {name: zscore, window: 5000}"))
    assert long.warm_up_us == 5_003_000_000


def test_silence_outlasts_all_that_a_score_looks_back_on(tmp_path: Path) -> None:
    text = "symbols: [A]\nfeatures: [realized_vol_1m]\ndetector: {window: 30h, horizons: [1h]}"
    config = load_config(write(tmp_path, text))
    # A price holds for ten seconds; a day is what regimes look back on.
    assert config.silence_us == 63 * HOUR + 13 * SECOND


def test_config_error_survives_pickling() -> None:
    import pickle  # noqa: PLC0415 - what Ray does with it

    error = pickle.loads(pickle.dumps(ConfigError("a.yaml", ["x: bad", "y: bad"])))  # noqa: S301
    assert str(error) == "a.yaml: x: bad\na.yaml: y: bad"


def test_symbols_by_rule_are_kept_apart_and_written_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text("symbols: {quote: USDT, top: 200, exclude: [USDCUSDT]}\n")
    config = load_config(path)
    assert config.symbols == ()
    assert config.symbol_rule == SymbolRule(quote="USDT", top=200, exclude=("USDCUSDT",))
    assert config.model_dump(mode="json")["symbols"] == {
        "quote": "USDT",
        "top": 200,
        "exclude": ["USDCUSDT"],
        "refresh": "10m",
    }
    assert "symbol_rule" not in config.model_dump(mode="json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("symbols: {quote: USDT}", "symbols.top: required, but missing"),
        ("symbols: {quote: USDT, top: 0}", "symbols.top: Input should be greater than or equal"),
        ("symbols: {quote: USDT, top: 5, by: name}", "symbols.by: unknown key"),
        ("symbols: []", "symbols: expected at least one name, or a rule, found []"),
        ("symbols: [BTCUSDT]\nsymbol_rule: {quote: USDT, top: 5}", "symbol_rule: unknown key"),
    ],
)
def test_symbols_by_a_bad_rule_are_a_problem_of_symbols(
    text: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert problem in str(raised.value)


def test_config_with_a_budget_is_written_as_it_was_read(tmp_path: Path) -> None:
    text = """
    symbols: [BTCUSDT, ETHUSDT, USDCUSDT]
    detector: {budget: {minor: 0.5/d, major: 3/30d, critical: 1/30d}}
    overrides:
      ETHUSDT: {detector: {budget: {minor: 2/h}}}
      USDCUSDT: {detector: {budget: null, enter: 9.0}}
    """
    config = load_config(write(tmp_path, text))
    detectors = [config.detector_of(symbol) for symbol in config.symbols]
    budgets = [detector.model_dump(mode="json")["budget"] for detector in detectors]
    rarer = {"major": "3/30d", "critical": "1/30d", "history": "0us"}
    assert budgets == [{"minor": "0.5/d", **rarer}, {"minor": "2/h", **rarer}, None]
    assert Config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("every", "detector", "history"),
    [
        ("1m", "{}", "7d"),
        ("1h", "{name: zscore}", "7d"),
        ("30s", "{}", "0us"),
        ("1s", "{budget: {history: 4d}}", "4d"),
        ("1m", "{budget: {history: 0s}}", "0us"),
    ],
)
def test_budget_that_does_not_say_is_fitted_by_a_week_of_minutes_and_by_no_seconds(
    tmp_path: Path, every: str, detector: str, history: str
) -> None:
    text = f"""
    symbols: [A, B]
    sampling: {{every: {every}}}
    features: [realized_vol_12h]
    detector: {detector}
    overrides: {{B: {{detector: {{budget: {{history: 2d}}}}}}}}
    """
    budget = [
        "detector.budget.minor=1/d",
        "detector.budget.major=1/5d",
        "detector.budget.critical=1/9d",
    ]
    config = load_config(write(tmp_path, text), budget)
    assert config.detector.model_dump(mode="json")["budget"]["history"] == history
    # Each symbol by what it asks for itself.
    assert config.fitted_by_us("B") == 2 * 86_400_000_000
    # What a board holds and scores need does not grow by it.
    assert (
        config.warm_up_us
        == load_config(write(tmp_path, text), [*budget, "detector.budget.history=0s"]).warm_up_us
    )


def test_symbol_without_a_budget_is_fitted_by_no_history(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "symbols: [A]")).fitted_by_us("A") == 0


@pytest.mark.parametrize(
    ("every", "history", "problem"),
    [
        ("1s", "12d", "expected at most 1,000,000 steps of sampling.every 1s, found 12d"),
        ("trade", "4d", "expected 0s where every trade is a sample, found 4d"),
        ("1m", "61d", "expected 0s to 60d, found 61d"),
    ],
)
def test_budget_with_a_history_that_is_too_long_is_refused(
    tmp_path: Path, every: str, history: str, problem: str
) -> None:
    text = f"""
    symbols: [A]
    sampling: {{every: {every}}}
    features: [realized_vol_12h]
    detector: {{budget: {{minor: 1/d, major: 1/5d, critical: 1/9d, history: {history}}}}}
    """
    (told,) = problems_of(tmp_path, text)
    assert told.startswith("detector")
    assert told.endswith(f"budget.history: {problem}")


def test_budget_with_the_longest_history_of_seconds_is_taken(tmp_path: Path) -> None:
    text = """
    symbols: [A]
    detector: {budget: {minor: 1/d, major: 1/5d, critical: 1/9d, history: 1000000s}}
    """
    assert load_config(write(tmp_path, text)).fitted_by_us("A") == 1_000_000_000_000


@pytest.mark.parametrize("budget", ["0.5/d", 0.5, ["0.5/d"]])
def test_config_with_one_rate_as_budget_says_that_there_are_three(
    tmp_path: Path, budget: object
) -> None:
    text = f"symbols: [A]\ndetector: {{budget: {budget}}}"
    assert problems_of(tmp_path, text) == [
        (
            "detector.budget: expected minor, major and critical, such as "
            f"{{minor: 0.5/d, major: 3/30d, critical: 1/30d}}, found {budget!r}"
        ),
    ]


def test_config_with_budgets_that_are_none_says_what_is_wrong(tmp_path: Path) -> None:
    text = """
    symbols: [BTCUSDT, ETHUSDT]
    detector: {budget: {minor: 0.5, major: 3/30d}}
    overrides: {ETHUSDT: {detector: {budget: {minor: 1/d, major: 2/d, critical: 1/30d}}}}
    """
    assert problems_of(tmp_path, text) == [
        "detector.budget.minor: expected a rate such as 0.5/d, 3/30d or 2/h, found 0.5",
        "detector.budget.critical: required, but missing",
        (
            "overrides.ETHUSDT.detector.budget: expected minor more often than major, and major "
            "than critical, found 1/d, 2/d, 1/30d"
        ),
    ]


@pytest.mark.parametrize(
    "rates",
    [
        ("1/d", "2/d", "1/30d"),
        ("1/d", "1/d", "1/30d"),
        ("1/d", "1/30d", "2/30d"),
        ("1/d", "1/30d", "1/30d"),
    ],
)
def test_budget_that_is_not_ever_rarer_is_refused(rates: tuple[str, str, str]) -> None:
    budget = dict(zip(("minor", "major", "critical"), rates, strict=True))
    expected = "expected minor more often than major, and major than critical, found "
    with pytest.raises(ValidationError, match=expected + ", ".join(rates)):
        BudgetConfig.model_validate(budget)
