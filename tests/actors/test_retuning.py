"""Every change of thresholds is written down, or not made."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.retuning import Audit
from pipeline.changes import Change, ChangeLog, Outcome
from pipeline.config import Config

ASKED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIG = Config.model_validate({"symbols": ["AUSDT"]})


def change(*settings: str, symbol: str | None = None) -> Change:
    return Change(7, ASKED, "ann@desk", symbol, settings, "too many")


def test_change_is_written_down_with_what_was_before_and_after(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "data" / "changes.jsonl")
    after, outcome = audit.settle(change("enter=7"), CONFIG)
    assert (after.detector.enter, outcome.refused) == (7.0, None)
    last, _ = audit.settle(change("exit=4", symbol="AUSDT"), after)
    assert last.detector_of("AUSDT").exit == 4.0
    first, second = map(json.loads, (tmp_path / "data/changes.jsonl").read_text().splitlines())
    told = {name: first[name] for name in ("number", "asked", "by", "symbol", "settings", "why")}
    assert told == {
        "number": 7,
        "asked": "2026-01-02T03:04:05Z",
        "by": "ann@desk",
        "symbol": None,
        "settings": ["enter=7"],
        "why": "too many",
    }
    assert (first["before"]["enter"], first["after"]["enter"]) == (6.0, 7.0)
    assert set(first["after"]) == {
        "enter", "exit", "hold", "cool_down", "min_move_bp", "severity", "budget",
    }  # fmt: skip
    assert (second["before"]["exit"], second["after"]["exit"]) == (3.0, 4.0)


@pytest.mark.parametrize(
    ("settings", "reason"), [("enter=1", "expected exit < enter"), ("enter=7", "File exists")]
)
def test_change_that_makes_no_sense_or_cannot_be_written_down_is_not_made(
    tmp_path: Path, settings: str, reason: str
) -> None:
    (tmp_path / "data").write_text("in the way")
    after, outcome = Audit(tmp_path / "data" / "changes.jsonl").settle(change(settings), CONFIG)
    assert after is CONFIG
    assert outcome.refused is not None
    assert reason in outcome.refused


def test_log_of_changes_tells_what_is_open_and_what_became_of_the_others() -> None:
    log = ChangeLog()
    asked = {"asked": ASKED, "by": "ann@desk", "symbol": None, "why": "too many"}
    numbers = [log.ask(**asked, settings=[f"enter={at}"]) for at in (7, 1)]  # type: ignore[arg-type]
    assert numbers == [1, 2]
    first, second = log.open()
    assert (first.settings, second.number) == (("enter=7",), 2)
    log.settle(Outcome(second, "too low"))
    assert log.open() == [first]
    assert log.outcome(1) is None
    assert log.outcome(2) == Outcome(second, "too low")
    (told,) = log.report()
    assert (told["refused"], told["change"]["settings"]) == ("too low", ("enter=1",))
