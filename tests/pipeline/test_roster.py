from __future__ import annotations

from pipeline.roster import Roster
from pipeline.sharding import Shard
from pipeline.venues.protocol import Instrument


def listed(names: str) -> list[Instrument]:
    return [
        Instrument(name, trading=True, tick_size=0.01, quote_asset="USDT", code=name)
        for name in names
    ]


def roster() -> Roster:
    return Roster(listed("ABC"), [Shard("shard-000", ("A", "B")), Shard("C", ("C",))])


def names(at: Roster) -> str:
    return "".join(one.symbol for one in at.instruments)


def test_roster_starts_one_shard_for_all_that_enter_together() -> None:
    at = roster()
    assert at.change(listed("DE"), {}) == (Shard("listed-002", ("D", "E")), [])
    assert at.change(listed("F"), {}) == (Shard("F", ("F",)), [])
    assert at.change(listed("GH"), {}) == (Shard("listed-004", ("G", "H")), [])
    assert names(at) == "ABCDEFGH"


def test_roster_ends_a_shard_with_the_last_of_its_markets() -> None:
    at = roster()
    assert at.change([], {"A": "outranked"}) == (None, [])
    assert at.change([], {"B": "delisted"}) == (None, ["shard-000"])
    assert at.change([], {"C": "outranked"}) == (None, ["C"])
    assert at.ended == {"A": "outranked", "B": "delisted", "C": "outranked"}
    assert names(at) == "ABC"


def test_roster_market_that_returns_to_a_living_shard_needs_no_other() -> None:
    at = roster()
    at.change([], {"A": "outranked"})
    assert at.change(listed("A"), {}) == (None, [])
    assert at.ended == {}


def test_roster_market_that_returns_after_its_shard_ended_gets_another() -> None:
    at = roster()
    at.change([], {"A": "outranked", "B": "delisted", "C": "delisted"})
    assert at.change(listed("AC"), {}) == (Shard("listed-002", ("A", "C")), [])
    assert at.ended == {"B": "delisted"}
    assert names(at) == "ABC"
