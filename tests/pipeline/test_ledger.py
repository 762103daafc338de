from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.bars import TRADE_ROW
from pipeline.ledger import MAX_JUMP, TradeLedger


def rows(*ids: int, live: bool = True) -> NDArray[np.void]:
    array = np.zeros(len(ids), dtype=TRADE_ROW)
    array["trade_id"] = ids
    array["live"] = live
    return array


def ids_of(admitted: NDArray[np.void]) -> list[int]:
    return admitted["trade_id"].tolist()


def counts(ledger: TradeLedger) -> dict[str, int]:
    return {
        name: getattr(ledger, name)
        for name in ("live", "backfilled", "pending", "lost", "duplicates")
    }


def test_ledger_before_the_first_trade_knows_nothing() -> None:
    ledger = TradeLedger(100)
    assert (ledger.first_id, ledger.last_id, ledger.coverage_frac) == (None, None, 1.0)
    assert ledger.holes() == []
    assert ids_of(ledger.admit(rows())) == []
    assert ledger.first_id is None


def test_admit_in_order_passes_everything_on() -> None:
    ledger = TradeLedger(100)
    assert ids_of(ledger.admit(rows(7, 8))) == [7, 8]
    assert ids_of(ledger.admit(rows(9))) == [9]
    assert (ledger.first_id, ledger.last_id) == (7, 9)
    assert counts(ledger) == dict(live=3, backfilled=0, pending=0, lost=0, duplicates=0)


def test_admit_behind_a_hole_waits_until_it_is_healed() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(1))
    assert ids_of(ledger.admit(rows(4, 5, 8))) == []
    assert ledger.holes() == [(2, 3), (6, 7)]
    assert (ledger.last_id, ledger.coverage_frac) == (8, 0.5)
    assert counts(ledger) == dict(live=4, backfilled=0, pending=4, lost=0, duplicates=0)
    assert ids_of(ledger.admit(rows(2, 3, live=False))) == [2, 3, 4, 5]
    assert ledger.holes() == [(6, 7)]
    assert counts(ledger) == dict(live=4, backfilled=2, pending=2, lost=0, duplicates=0)


def test_admit_the_same_id_again_counts_a_duplicate_and_passes_nothing_on() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(1, 2))
    assert ids_of(ledger.admit(rows(2, 1, 3, 3))) == [3]
    assert ids_of(ledger.admit(rows(5, 5, live=False))) == []
    assert ids_of(ledger.admit(rows(5))) == []
    assert counts(ledger) == dict(live=3, backfilled=1, pending=1, lost=0, duplicates=5)


def test_admit_of_the_first_rows_out_of_order_starts_at_the_lowest() -> None:
    ledger = TradeLedger(100)
    assert ids_of(ledger.admit(rows(3, 1, 2))) == [1, 2, 3]
    assert ledger.first_id == 1


def test_give_up_marks_the_first_trade_after_the_loss() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(1))
    ledger.admit(rows(4, 5, 8))
    released = ledger.give_up(3)
    assert ids_of(released) == [4, 5]
    assert released["after_loss"].tolist() == [True, False]
    assert counts(ledger) == dict(live=4, backfilled=0, pending=2, lost=2, duplicates=0)
    assert ledger.coverage_frac == pytest.approx(0.5)
    assert ids_of(ledger.give_up(6)) == []
    assert (ledger.lost, ledger.holes()) == (3, [(7, 7)])
    assert ids_of(ledger.give_up(100)) == [8]
    assert ids_of(ledger.give_up(100)) == []


def test_expect_opens_a_hole_at_the_end_that_live_trades_close() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(1, 2))
    ledger.expect(1, 5)
    assert (ledger.holes(), ledger.pending, ledger.last_id) == ([(3, 5)], 3, 5)
    assert ids_of(ledger.admit(rows(3, 4))) == [3, 4]
    assert ledger.holes() == [(5, 5)]
    ledger.expect(1, 4)
    assert ids_of(ledger.admit(rows(5, 6))) == [5, 6]
    assert (ledger.holes(), ledger.pending, ledger.last_id) == ([], 0, 6)


def test_expect_before_the_first_trade_says_where_ids_start() -> None:
    ledger = TradeLedger(100)
    ledger.expect(7, 9)
    assert (ledger.first_id, ledger.holes(), ledger.coverage_frac) == (7, [(7, 9)], 0.0)
    assert ids_of(ledger.admit(rows(8))) == []
    assert ids_of(ledger.admit(rows(7))) == [7, 8]


def test_give_up_of_a_hole_at_the_end_marks_the_next_trade() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(1))
    ledger.expect(2, 3)
    assert ids_of(ledger.give_up(3)) == []
    assert ledger.lost == 2
    after = ledger.admit(rows(4, 5))
    assert after["after_loss"].tolist() == [True, False]
    assert ledger.admit(rows(6))["after_loss"].tolist() == [False]


def test_admit_of_a_lost_id_is_too_late() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(1))
    ledger.admit(rows(3))
    ledger.give_up(2)
    assert ids_of(ledger.admit(rows(2, live=False))) == []
    assert counts(ledger) == dict(live=2, backfilled=0, pending=0, lost=1, duplicates=1)


def test_admit_beyond_what_may_be_held_gives_every_hole_up() -> None:
    ledger = TradeLedger(3)
    ledger.admit(rows(1))
    assert ids_of(ledger.admit(rows(3, 5, 6))) == []
    released = ledger.admit(rows(7))
    assert ids_of(released) == [3, 5, 6, 7]
    assert released["after_loss"].tolist() == [True, True, False, False]
    assert counts(ledger) == dict(live=5, backfilled=0, pending=0, lost=2, duplicates=0)


@given(st.data())
def test_ledger_under_any_schedule_accounts_for_every_id_and_releases_in_order(
    data: st.DataObject,
) -> None:
    ids = list(range(10, 40))
    ledger = TradeLedger(1000)
    released: list[int] = list(ids_of(ledger.admit(rows(10))))
    for _ in range(data.draw(st.integers(1, 12))):
        if data.draw(st.integers(0, 9)) == 0:
            released += ids_of(ledger.give_up(data.draw(st.sampled_from(ids))))
        if data.draw(st.integers(0, 3)) == 0:
            ledger.expect(10, data.draw(st.sampled_from(ids)))
        batch = data.draw(st.lists(st.sampled_from(ids), max_size=12))
        released += ids_of(ledger.admit(rows(*batch, live=data.draw(st.booleans()))))
        assert ledger.first_id is not None
        assert ledger.last_id is not None
        known = ledger.live + ledger.backfilled + ledger.pending + ledger.lost
        assert known == ledger.last_id - ledger.first_id + 1
        assert sum(last - first + 1 for first, last in ledger.holes()) == ledger.pending
    assert released == sorted(set(released))


def test_admit_of_an_id_too_far_ahead_drops_and_counts_it() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(5))
    assert ids_of(ledger.admit(rows(6, 6 + MAX_JUMP))) == [6]
    assert (ledger.implausible, ledger.last_id, ledger.pending) == (1, 6, 0)


def test_forget_beyond_drops_what_the_venue_never_issued() -> None:
    ledger = TradeLedger(100)
    ledger.admit(rows(1, 2, 900))
    ledger.admit(rows(5, live=False))
    ledger.forget_beyond(5)
    assert (ledger.implausible, ledger.last_id, ledger.holes()) == (1, 5, [(3, 4)])
    assert counts(ledger) == dict(live=2, backfilled=1, pending=2, lost=0, duplicates=0)
