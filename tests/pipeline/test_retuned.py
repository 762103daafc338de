"""Thresholds that change while a pipeline runs: what may, and what results."""

from __future__ import annotations

import pytest

from pipeline.config import Config
from pipeline.config_file import retuned
from pipeline.durations import SECOND
from pipeline.errors import ConfigError


def running(**sections: object) -> Config:
    return Config.model_validate({"symbols": ["AUSDT", "BUSDT"], **sections})


def test_change_for_all_is_one_for_symbols_of_their_own_too() -> None:
    own = {"AUSDT": {"detector": {"enter": 9.0, "min_move_bp": 1.0}}}
    config = retuned(running(overrides=own), None, ["enter=7", "severity.major=10", "hold=45s"])
    for symbol in ("AUSDT", "BUSDT"):
        detector = config.detector_of(symbol)
        assert (detector.enter, detector.severity.major, detector.hold) == (7.0, 10.0, 45 * SECOND)
    assert config.detector_of("AUSDT").min_move_bp == 1.0
    assert config.detector_of("BUSDT").min_move_bp == 5.0


def test_change_for_one_leaves_the_others() -> None:
    before = running()
    config = retuned(before, "AUSDT", ["budget={minor: 1/d, major: 1/5d, critical: 1/30d}"])
    budget = config.detector_of("AUSDT").budget
    assert budget is not None
    assert [budget.minor.per_day, budget.major.per_day] == [1.0, 0.2]
    assert config.detector_of("BUSDT") == before.detector
    assert before.overrides == {}
    again = retuned(config, "AUSDT", ["budget=null", "enter=8"])
    assert (again.detector_of("AUSDT").budget, again.detector_of("AUSDT").enter) == (None, 8.0)


def test_change_by_rule_keeps_the_markets_that_were_chosen() -> None:
    by_rule = Config.model_validate({"symbols": {"quote": "USDT", "top": 5}})
    config = by_rule.model_copy(update={"symbols": ("AUSDT",)})
    changed = retuned(config, "AUSDT", ["enter=7"])
    assert changed.symbols == ("AUSDT",)
    assert changed.detector_of("AUSDT").enter == 7.0


@pytest.mark.parametrize(
    ("symbol", "settings", "problem"),
    [
        ("CUSDT", ["enter=7"], "expected a symbol that is watched, found CUSDT"),
        (None, ["window=60s"], "expected one of enter, exit, hold, .*, found 'window=60s'"),
        (None, ["enter=2"], "expected exit < enter, found exit 3, enter 2"),
        (None, ["enter"], "expected dotted.path=value, found 'enter'"),
        (None, ["hold=5"], "detector.hold: expected a duration such as 0s, found 5"),
        ("AUSDT", ["severity.x=5"], "overrides.AUSDT.detector.severity.x: unknown key"),
    ],
)
def test_change_that_makes_no_sense_says_why(
    symbol: str | None, settings: list[str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=f"^thresholds: .*{problem}"):
        retuned(running(), symbol, settings)
