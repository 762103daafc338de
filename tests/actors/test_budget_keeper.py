"""What a process is allowed to send, and what it still knows of when it is alone or starts anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.allowance import Allowance
from actors.budget import BudgetKeeper
from pipeline.budget import Lease
from pipeline.errors import ConfigError, VenueDisconnected
from pipeline.venues.protocol import Limits

LIMITS = Limits(weight=1000, connections=100, messages=5)


class Away:
    """A budget whose actor may be dead."""

    def __init__(self, keeper: BudgetKeeper) -> None:
        self.keeper = keeper
        self.dead = False
        self.asked = 0

    def _ask(self) -> BudgetKeeper:
        self.asked += 1
        if self.dead:
            raise ConnectionError("the actor died")
        return self.keeper

    def lease(self, asked: int, least: int, *, unspent: int, used: int | None) -> Lease:
        return self._ask().lease(asked, least, unspent=unspent, used=used)

    def close(self, seconds: float, reason: str) -> None:
        self._ask().close(seconds, reason)

    def dial_wait_s(self) -> float:
        return self._ask().dial_wait_s()


def test_ban_is_known_to_the_next_run_and_at_its_venue_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "bans.json"
    keeper = BudgetKeeper(LIMITS, "api.example", path)
    assert not path.parent.exists()
    keeper.close(100.0, "HTTP 418 banned")
    BudgetKeeper(LIMITS, "other.example", path).close(50.0, "HTTP 429")

    again = BudgetKeeper(LIMITS, "api.example", path)
    refused = again.lease(40, 4, unspent=0, used=None)
    assert refused.weight == 0
    assert 98.0 < refused.wait_s < 100.1
    assert "HTTP 418 banned" in refused.reason
    assert BudgetKeeper(LIMITS, "third.example", path).lease(4, 4, unspent=0, used=None) == Lease(4)
    assert set(json.loads(path.read_text())) == {"api.example", "other.example"}
    assert list(path.parent.iterdir()) == [path]


def test_ban_that_is_over_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "bans.json"
    path.write_text('{"api.example": {"until": "2024-01-01T00:00:00Z", "reason": "HTTP 418"}}')
    assert BudgetKeeper(LIMITS, "api.example", path).spending().ban is None
    BudgetKeeper(LIMITS, "other.example", path).close(50.0, "HTTP 429")
    assert set(json.loads(path.read_text())) == {"other.example"}


def test_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bans.json"
    path.write_text('{"api.example": 7}')
    with pytest.raises(ConfigError, match=r"bans\.json: expected what an earlier run has written"):
        BudgetKeeper(LIMITS, "api.example", path)


def test_ban_that_cannot_be_written_still_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("in the way")
    keeper = BudgetKeeper(LIMITS, "api.example", tmp_path / "data" / "bans.json")
    keeper.close(100.0, "HTTP 418")
    assert keeper.lease(4, 4, unspent=0, used=None).weight == 0
    assert "not kept for the next run" in caplog.text


def test_allowance_asks_once_for_many_requests_and_gives_back_what_it_did_not_spend() -> None:
    port = Away(BudgetKeeper(LIMITS))
    allowance = Allowance(port, LIMITS)
    for _ in range(10):
        allowance.spend(4)
    assert port.asked == 1
    assert port.keeper.spending().weight == 40
    allowance.spend(1)
    allowance.spend(50)
    assert port.asked == 3
    assert port.keeper.spending().weight == 40 + 1 + 50


def test_ban_told_to_one_process_holds_for_another() -> None:
    keeper = BudgetKeeper(LIMITS)
    one, other = Allowance(keeper, LIMITS), Allowance(keeper, LIMITS)
    one.spend(4)
    one.limited(60.0, "HTTP 429")
    for allowance in (one, other):
        with pytest.raises(VenueDisconnected, match="not sent, too many requests for 60 s"):
            allowance.spend(4)


def test_count_of_the_venue_reaches_the_budget_with_the_next_lease() -> None:
    keeper = BudgetKeeper(LIMITS)
    allowance = Allowance(keeper, LIMITS, lambda headers: int(headers["x-used"]))
    allowance.spend(40)
    allowance.answered({"x-used": "800"})
    allowance.spend(40)
    assert keeper.spending().weight == 840
    allowance.answered({"x-used": "900"})
    with pytest.raises(VenueDisconnected, match="the budget of 900 a minute is spent"):
        allowance.spend(40)


def test_process_alone_goes_on_with_a_twentieth_and_the_bans_it_knows() -> None:
    port = Away(BudgetKeeper(LIMITS))
    allowance = Allowance(port, LIMITS)
    port.dead = True
    allowance.spend(40)
    allowance.spend(5)
    with pytest.raises(VenueDisconnected, match="the budget of 45 a minute is spent"):
        allowance.spend(1)
    assert [allowance.dial_wait_s() for _ in range(4)] == [0.0] * 4
    assert allowance.dial_wait_s() > 0.0
    # It was asked once, and is left alone for a while.
    assert port.asked == 1


def test_process_alone_respects_a_ban_that_the_budget_told_it() -> None:
    port = Away(BudgetKeeper(LIMITS))
    port.keeper.close(60.0, "HTTP 418")
    allowance = Allowance(port, LIMITS)
    with pytest.raises(VenueDisconnected, match="HTTP 418"):
        allowance.spend(4)
    port.dead = True
    with pytest.raises(VenueDisconnected, match="HTTP 418"):
        allowance.spend(4)
