from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery import Envelope, Inbox, Outbox, Payload, from_ipc, newest_ranges, to_ipc


def payload(number: int) -> Payload:
    return Payload(
        b"", b"", b"", b"", venue_us=number, connected=True, reconnects=0, rejected_unnamed=0
    )


def outbox(capacity: int = 100, incarnation: int = 1) -> Outbox:
    return Outbox("shard", incarnation, capacity)


def push(box: Outbox, inbox: Inbox, applied: list[int]) -> None:
    envelope = box.next()
    assert envelope is not None
    if inbox.accepts(envelope):
        assert envelope.payload.venue_us is not None
        applied.append(envelope.payload.venue_us)
        inbox.count(envelope)
    box.adopt(inbox.watermark("shard"))


def test_outbox_sends_in_order_and_is_empty_after_the_last_answer() -> None:
    box, inbox, applied = outbox(), Inbox(), []
    for number in (1, 2, 3):
        box.put(payload(number))
    while not box.empty:
        push(box, inbox, applied)
    assert applied == [1, 2, 3]
    assert box.next() is None


def test_outbox_is_full_with_so_many_unanswered() -> None:
    box, inbox = outbox(capacity=2), Inbox()
    box.put(payload(1))
    assert not box.full
    box.put(payload(2))
    assert box.full
    push(box, inbox, [])
    assert not box.full


def test_inbox_applies_a_frame_once_when_its_answer_was_lost() -> None:
    box, inbox = outbox(), Inbox()
    box.put(payload(1))
    envelope = box.next()
    assert envelope is not None
    assert inbox.accepts(envelope)
    assert inbox.accepts(envelope)  # it could not be applied
    inbox.count(envelope)
    assert not inbox.accepts(envelope)
    assert inbox.watermark("shard") == 1


def test_inbox_of_a_new_coordinator_gets_everything_that_is_still_held() -> None:
    box, inbox, applied = outbox(capacity=3), Inbox(), []
    for number in range(1, 8):
        box.put(payload(number))
        push(box, inbox, applied)
    box.put(payload(8))
    replayed: list[int] = []
    fresh = Inbox()
    while not box.empty:
        push(box, fresh, replayed)
    assert applied == [1, 2, 3, 4, 5, 6, 7]
    assert replayed == [6, 7, 8]


def test_inbox_starts_a_restarted_producer_anew_and_ignores_its_ghost() -> None:
    inbox = Inbox()
    old, new = outbox(incarnation=1), outbox(incarnation=2)
    old.put(payload(1))
    new.put(payload(2))
    ghost = old.next()
    assert ghost is not None
    assert inbox.accepts(ghost)
    inbox.count(ghost)
    applied: list[int] = []
    push(new, inbox, applied)
    assert applied == [2]
    assert not inbox.accepts(ghost)
    new.put(payload(3))
    push(new, inbox, applied)
    assert applied == [2, 3]


def test_ipc_round_trip_keeps_values_and_types() -> None:
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"]}, schema={"a": pl.Int32, "b": pl.String})
    assert from_ipc(to_ipc(frame)).equals(frame)
    assert from_ipc(to_ipc(frame)).schema == frame.schema


@given(st.lists(st.sampled_from(["put", "push", "lost answer", "coordinator dies"]), max_size=60))
def test_delivery_under_any_schedule_applies_each_frame_once_and_in_order(
    schedule: list[str],
) -> None:
    # Held long enough that a new coordinator gets all of it: nothing is missing either.
    box, inbox = outbox(capacity=1000), Inbox()
    applied: list[int] = []
    number = 0
    for event in [*schedule, *["push"] * 120]:
        if event == "put":
            number += 1
            box.put(payload(number))
        elif event == "coordinator dies":
            inbox, applied = Inbox(), []
            if number and box.empty:
                box.adopt(0)  # what the first push to an unknown coordinator answers
        elif not box.empty and event == "lost answer":
            envelope = box.next()
            assert envelope is not None
            if inbox.accepts(envelope):
                applied.append(envelope.payload.venue_us or 0)
                inbox.count(envelope)
        elif not box.empty:
            push(box, inbox, applied)
    assert applied == list(range(1, number + 1))


def test_outbox_beyond_its_capacity_keeps_what_was_not_acknowledged() -> None:
    box, inbox, applied = outbox(capacity=2), Inbox(), []
    for number in (1, 2, 3, 4):
        box.put(payload(number))
    while not box.empty:
        push(box, inbox, applied)
    assert applied == [1, 2, 3, 4]


def test_outbox_told_of_a_frame_it_no_longer_holds_goes_back_to_the_oldest() -> None:
    box, inbox = outbox(capacity=3), Inbox()
    for number in range(1, 8):
        box.put(payload(number))
        push(box, inbox, [])
    box.adopt(2)
    envelope = box.next()
    assert envelope is not None
    assert (envelope.base, envelope.seq, envelope.payload.venue_us) == (5, 5, 5)


def test_outbox_told_of_a_frame_it_has_not_sent_is_at_its_newest() -> None:
    box = outbox()
    box.put(payload(1))
    box.adopt(99)
    assert box.empty
    assert box.next() is None
    box.put(payload(2))
    envelope = box.next()
    assert envelope is not None
    assert (envelope.seq, envelope.payload.venue_us) == (2, 2)


def test_inbox_goes_on_at_the_oldest_frame_that_its_producer_still_holds() -> None:
    inbox = Inbox()
    inbox.count(Envelope("shard", 1, base=1, seq=1, payload=payload(1)))
    # Another coordinator has taken 2 to 9 meanwhile; the producer holds none of them any more.
    assert not inbox.accepts(Envelope("shard", 1, base=10, seq=11, payload=payload(11)))
    assert inbox.watermark("shard") == 9
    tenth = Envelope("shard", 1, base=10, seq=10, payload=payload(10))
    assert inbox.accepts(tenth)
    inbox.count(tenth)
    assert inbox.watermark("shard") == 10


def test_newest_ranges_are_the_last_thousand_of_each_symbol() -> None:
    lost = {"AUSDT": [(at, at) for at in range(0, 2_002, 2)], "BUSDT": [(5, 9)]}
    told = newest_ranges(lost)
    assert (len(told["AUSDT"]), told["AUSDT"][0], told["AUSDT"][-1]) == (
        1_000,
        (2, 2),
        (2000, 2000),
    )
    assert told["BUSDT"] == [(5, 9)]
