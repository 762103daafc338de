from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import MAX_LOSSES, Ledger
from pipeline.ledger_loop import MAX_JUMP
from pipeline.marks import NEVER
from pipeline.trade_columns import TradeColumns
from tests.pipeline.trades import trade_columns


def rows(*ids: int, live: bool = True, symbol: int = 0) -> TradeColumns:
    return trade_columns([(symbol, at, 10.0, 1.0, 1.0) for at in ids], live=live)


def admit(ledger: Ledger, *ids: int, live: bool = True) -> list[int]:
    return ledger.admit(rows(*ids, live=live)).trade_id.tolist()


def counts(ledger: Ledger) -> dict[str, int]:
    names = ("live", "backfilled", "pending", "lost", "duplicates")
    return {name: int(getattr(ledger, name)[0]) for name in names}


def ends(ledger: Ledger) -> tuple[int, int]:
    return int(ledger.first_id[0]), int(ledger.last_id[0])


def test_ledger_before_the_first_trade_knows_nothing() -> None:
    ledger = Ledger(1, 100)
    assert ends(ledger) == (NEVER, NEVER)
    assert ledger.holes(0) == []
    assert admit(ledger) == []
    assert ends(ledger) == (NEVER, NEVER)
    assert counts(ledger) == dict(live=0, backfilled=0, pending=0, lost=0, duplicates=0)


def test_admit_in_order_passes_the_very_rows_on() -> None:
    ledger = Ledger(1, 100)
    first = rows(7, 8)
    assert ledger.admit(first) is first
    assert admit(ledger, 9, live=False) == [9]
    assert ends(ledger) == (7, 9)
    assert counts(ledger) == dict(live=2, backfilled=1, pending=0, lost=0, duplicates=0)


def test_admit_behind_a_hole_waits_until_it_is_healed() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1)
    assert admit(ledger, 4, 5, 8) == []
    assert ledger.holes(0) == [(2, 3), (6, 7)]
    assert ends(ledger) == (1, 8)
    assert counts(ledger) == dict(live=4, backfilled=0, pending=4, lost=0, duplicates=0)
    assert admit(ledger, 2, 3, live=False) == [2, 3, 4, 5]
    assert ledger.holes(0) == [(6, 7)]
    assert counts(ledger) == dict(live=4, backfilled=2, pending=2, lost=0, duplicates=0)


def test_admit_of_a_healing_row_releases_what_waited_in_its_place() -> None:
    ledger = Ledger(2, 100)
    both = TradeColumns.join([rows(1), rows(3), rows(7, symbol=1), rows(2), rows(8, symbol=1)])
    admitted = ledger.admit(both)
    assert admitted.trade_id.tolist() == [1, 7, 2, 3, 8]
    assert admitted.symbol_index.tolist() == [0, 1, 0, 0, 1]
    assert ledger.live.tolist() == [3, 2]


def test_admit_the_same_id_again_counts_a_duplicate_and_passes_nothing_on() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1, 2)
    assert admit(ledger, 2) == []
    assert admit(ledger, 1, 3, 3) == [3]
    assert admit(ledger, 5, 5, live=False) == []
    assert admit(ledger, 5) == []
    assert counts(ledger) == dict(live=3, backfilled=1, pending=1, lost=0, duplicates=5)


def test_admit_of_the_first_rows_out_of_order_starts_at_the_first() -> None:
    ledger = Ledger(1, 100)
    assert admit(ledger, 3, 1, 2, 4) == [3, 4]
    assert (ends(ledger), counts(ledger)["duplicates"]) == ((3, 4), 2)


def test_give_up_marks_the_first_trade_after_the_loss() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1)
    admit(ledger, 4, 5, 8)
    ledger.give_up(0, 3)
    assert counts(ledger) == dict(live=4, backfilled=0, pending=2, lost=2, duplicates=0)
    released = ledger.admit(rows())
    assert released.trade_id.tolist() == [4, 5]
    assert released.after_loss.tolist() == [True, False]
    ledger.give_up(0, 6)
    assert admit(ledger) == []
    assert (counts(ledger)["lost"], ledger.holes(0)) == (3, [(7, 7)])
    ledger.give_up(0, 100)
    assert ledger.admit(rows(9)).after_loss.tolist() == [True, False]
    assert ledger.losses() == {0: [(2, 3), (6, 6), (7, 7)]}
    assert ledger.losses() == {}


def test_give_up_of_two_holes_marks_what_waited_behind_each() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1, 3, 4, 6)
    ledger.give_up(0, 5)
    assert (ends(ledger), ledger.holes(0)) == ((1, 6), [])
    released = ledger.admit(rows(7))
    assert released.trade_id.tolist() == [3, 4, 6, 7]
    assert released.after_loss.tolist() == [True, False, True, False]


def test_admit_of_an_id_that_is_ready_to_leave_counts_a_duplicate() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1, 3, 5)
    ledger.give_up(0, 2)
    assert admit(ledger, 3) == [3]
    assert counts(ledger) == dict(live=3, backfilled=0, pending=1, lost=1, duplicates=1)


def test_expect_opens_a_hole_at_the_end_that_live_trades_close() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1, 2)
    ledger.expect(0, 1, 5)
    assert (ledger.holes(0), ledger.pending.tolist(), ends(ledger)) == ([(3, 5)], [3], (1, 5))
    assert admit(ledger, 3, 4) == [3, 4]
    assert ledger.holes(0) == [(5, 5)]
    ledger.expect(0, 1, 4)
    assert admit(ledger, 5, 6) == [5, 6]
    assert (ledger.holes(0), ledger.pending.tolist(), ends(ledger)) == ([], [0], (1, 6))


def test_expect_before_the_first_trade_says_where_ids_start() -> None:
    ledger = Ledger(1, 100)
    ledger.expect(0, 7, 9)
    assert (ends(ledger), ledger.holes(0)) == ((7, 9), [(7, 9)])
    assert admit(ledger, 8) == []
    assert admit(ledger, 7) == [7, 8]


def test_give_up_of_a_hole_at_the_end_marks_the_next_trade() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1)
    ledger.expect(0, 2, 3)
    ledger.give_up(0, 3)
    assert admit(ledger) == []
    assert counts(ledger)["lost"] == 2
    assert ledger.admit(rows(4, 5)).after_loss.tolist() == [True, False]
    assert ledger.admit(rows(6)).after_loss.tolist() == [False]


def test_admit_of_a_lost_id_recovers_it_once() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1)
    admit(ledger, 4)
    ledger.give_up(0, 3)
    assert admit(ledger, 2, 2, live=False) == [4]
    assert ledger.recovered().trade_id.tolist() == [2]
    assert len(ledger.recovered()) == 0
    assert ledger.lost_ranges(0) == [(3, 3)]
    assert counts(ledger) == dict(live=2, backfilled=1, pending=0, lost=1, duplicates=1)


def test_admit_beyond_what_may_be_held_gives_the_first_hole_up() -> None:
    ledger = Ledger(1, 3)
    admit(ledger, 1)
    assert admit(ledger, 3, 5, 6) == []
    released = ledger.admit(rows(7, 9))
    assert released.trade_id.tolist() == [3, 5, 6, 7]
    assert released.after_loss.tolist() == [True, True, False, False]
    assert counts(ledger) == dict(live=6, backfilled=0, pending=1, lost=2, duplicates=0)
    assert ledger.losses() == {0: [(2, 2), (4, 4)]}


def test_losses_of_a_symbol_are_bounded_and_their_count_stays_exact() -> None:
    ledger = Ledger(1, 1)
    admit(ledger, *range(0, 2 * MAX_LOSSES + 10, 2))
    lost = ledger.losses()[0]
    assert counts(ledger)["lost"] == MAX_LOSSES + 3
    assert (len(lost), lost[-1]) == (MAX_LOSSES, (2 * MAX_LOSSES + 5, 2 * MAX_LOSSES + 5))


@given(st.data())
def test_ledger_under_any_schedule_accounts_for_every_id_and_releases_in_order(
    data: st.DataObject,
) -> None:
    ids = list(range(10, 40))
    ledger = Ledger(1, 1000)
    released = admit(ledger, 10)
    recovered: list[int] = []
    for _ in range(data.draw(st.integers(1, 12))):
        if data.draw(st.integers(0, 9)) == 0:
            ledger.give_up(0, data.draw(st.sampled_from(ids)))
        if data.draw(st.integers(0, 3)) == 0:
            ledger.expect(0, 10, data.draw(st.sampled_from(ids)))
        batch = data.draw(st.lists(st.sampled_from(ids), max_size=12))
        released += admit(ledger, *batch, live=data.draw(st.booleans()))
        recovered += ledger.recovered().trade_id.tolist()
        first_id, last_id = ends(ledger)
        known = sum(counts(ledger).values()) - counts(ledger)["duplicates"]
        assert known == last_id - first_id + 1
        assert sum(last - first + 1 for first, last in ledger.holes(0)) == ledger.pending[0]
    assert released == sorted(set(released))
    assert len({*released, *recovered}) == len(released) + len(recovered)
    lost = sum(last - first + 1 for first, last in ledger.losses().get(0, []))
    still_lost = sum(last - first + 1 for first, last in ledger.lost_ranges(0))
    assert lost - len(recovered) == still_lost == counts(ledger)["lost"]


def test_admit_of_an_id_too_far_ahead_drops_and_counts_it() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 5)
    assert admit(ledger, 6, 7 + MAX_JUMP) == [6]
    assert (ledger.implausible.tolist(), ends(ledger), ledger.pending[0]) == ([1], (5, 6), 0)
    assert admit(ledger, 6 + MAX_JUMP) == []
    assert ledger.pending[0] == MAX_JUMP - 1


def test_forget_beyond_drops_what_the_venue_never_issued() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1, 2, 900)
    admit(ledger, 5, live=False)
    ledger.forget_beyond(0, 5)
    assert (ledger.implausible.tolist(), ends(ledger), ledger.holes(0)) == ([1], (1, 5), [(3, 4)])
    assert counts(ledger) == dict(live=2, backfilled=1, pending=2, lost=0, duplicates=0)


def test_forget_beyond_leaves_what_is_ready_to_leave() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 1, 5, 900)
    ledger.give_up(0, 4)
    ledger.forget_beyond(0, 3)
    assert admit(ledger) == [5]
    assert (ledger.implausible.tolist(), ends(ledger)) == ([1], (1, 5))


def test_relist_starts_a_new_range_and_goes_on_counting() -> None:
    ledger = Ledger(1, 100)
    admit(ledger, 100, 101)
    ledger.expect(0, 100, 103)
    ledger.give_up(0, 103)
    ledger.relist(0)
    assert (ends(ledger), ledger.holes(0)) == ((NEVER, NEVER), [])
    after = ledger.admit(rows(5, 6))
    assert (after.trade_id.tolist(), after.after_loss.tolist()) == ([5, 6], [False, False])
    assert ends(ledger) == (5, 6)
    assert counts(ledger) == dict(live=4, backfilled=0, pending=0, lost=2, duplicates=0)


def test_restore_of_a_snapshot_carries_what_waits_and_what_was_lost() -> None:
    ledger = Ledger(2, 100)
    ledger.admit(rows(1, 3, 6, 9, symbol=1))
    ledger.give_up(1, 4)
    other = Ledger(1, 100)
    other.admit(rows(50, 52))
    other.give_up(0, 51)
    other.restore(0, ledger.snapshot(1))
    assert {name: part.tolist() for name, part in other.snapshot(0).items()} == {
        name: part.tolist() for name, part in ledger.snapshot(1).items()
    }
    assert (other.holes(0), other.losses()) == ([(5, 5), (7, 8)], {0: [(2, 2), (4, 4)]})
