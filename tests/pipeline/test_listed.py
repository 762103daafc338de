from __future__ import annotations

from typing import Any

from pipeline.config import Config
from pipeline.listed import as_listed
from pipeline.venues.protocol import Instrument


def listed(**steps: float) -> list[Instrument]:
    return [
        Instrument(name, trading=True, tick_size=step, quote_asset="USDT", code=name)
        for name, step in steps.items()
    ]


def config(symbols: list[str], **sections: Any) -> Config:  # noqa: ANN401 - as they would be in a file
    return Config.model_validate({"symbols": symbols, "features": ["realized_vol_1m"], **sections})


def ticks(one: Config) -> dict[str, float | None]:
    return {name: one.detector_of(name).model_dump().get("tick") for name in one.symbols}


def test_as_listed_gives_each_market_the_price_step_of_its_listing() -> None:
    written = config(["A", "B"])
    assert ticks(written) == {"A": None, "B": None}
    assert ticks(as_listed(written, listed(A=0.01, B=1e-8))) == {"A": 0.01, "B": 1e-8}


def test_as_listed_leaves_a_step_that_is_written_down() -> None:
    overrides = {"B": {"detector": {"tick": 0.0, "enter": 7.0}}}
    found = as_listed(config(["A", "B"], overrides=overrides), listed(A=0.01, B=1e-8))
    assert ticks(found) == {"A": 0.01, "B": 0.0}
    of_all = config(["A", "B"], detector={"tick": 0.5})
    assert ticks(as_listed(of_all, listed(A=0.01, B=1e-8))) == {"A": 0.5, "B": 0.5}


def test_as_listed_changes_nothing_else_of_a_detector() -> None:
    overrides = {"A": {"detector": {"enter": 7.0}}}
    written = config(["A"], overrides=overrides)
    own = as_listed(written, listed(A=0.01)).detector_of("A")
    assert own == written.detector_of("A").model_copy(update={"tick": 0.01})


def test_as_listed_names_the_markets_and_keeps_steps_of_those_before() -> None:
    first = as_listed(config(["A"]), listed(A=0.01))
    later = as_listed(first, listed(A=0.02, C=0.5))
    assert later.symbols == ("A", "C")
    assert ticks(later) == {"A": 0.01, "C": 0.5}


def test_as_listed_leaves_detectors_without_a_price_step_alone() -> None:
    classic = config(["A"], detector={"name": "zscore"})
    assert as_listed(classic, listed(A=0.01)) == classic


def test_as_listed_can_be_written_down_and_read_again() -> None:
    found = as_listed(config(["A", "B"]), listed(A=0.01, B=1e-8))
    assert Config.model_validate(found.model_dump(mode="json")) == found
