"""Ledger and bars, for any rows and any cut of them, are what the rules say row by row."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.bars import BarBuilder
from pipeline.ledger import Ledger
from pipeline.ledger_loop import MAX_JUMP
from pipeline.marks import ENDED, NEVER
from pipeline.schema import BARS
from pipeline.trade_columns import TradeColumns
from tests.properties.plain_intake import Limits, PlainSymbol, Row

S = 1_000_000
START_US = 1_700_000_000 * S
SYMBOLS = ["AUSDT", "BUSDT", "CUSDT"]
LIMITS = Limits(S, 250_000, 2 * S, 5 * S, max_held=4)

id_steps = st.sampled_from([1] * 12 + [2, 2, 3, -1, -3, 0, 7, MAX_JUMP, MAX_JUMP + 5])
time_steps_us = st.sampled_from([0, 1, 90_000, 240_000, 760_000, -300_000, -2 * S, 3 * S, 40 * S])


@st.composite
def arrivals(draw: st.DrawFn) -> list[Row]:
    """Rows of three symbols: in turn, missing, again, out of order, far ahead, late."""
    ids, times = [1000, 5, 77], [START_US, START_US + 3, START_US - 7 * S]
    rows = []
    for _ in range(draw(st.integers(1, 60))):
        symbol = draw(st.integers(0, 2))
        step = draw(id_steps)
        event_us = times[symbol] + draw(time_steps_us)
        rows.append(
            Row(
                symbol,
                max(0, ids[symbol] + step - 1),
                event_us,
                draw(st.integers(1, 10**14)),
                draw(st.integers(1, 10**14)),
                draw(st.booleans()),
            )
        )
        if step < MAX_JUMP or draw(st.integers(0, 9)) == 0:
            ids[symbol] = max(0, ids[symbol] + step)
        if event_us - times[symbol] < 40 * S or draw(st.booleans()):
            times[symbol] = event_us
    return rows


def columns(rows: Sequence[Row]) -> TradeColumns:
    symbol, ids, times, prices, sizes, live = (
        zip(*rows, strict=True) if rows else ((),) * 6  # type: ignore[assignment]  # six either way
    )
    event_us = np.array(times, dtype=np.int64)
    return TradeColumns(
        np.array(symbol, dtype=np.int32),
        np.array(ids, dtype=np.int64),
        event_us,
        event_us,
        np.array(prices, dtype=np.int64) / 1e8,
        np.array(sizes, dtype=np.int64) / 1e8,
        np.zeros(len(rows), dtype=np.bool_),
        np.array(live, dtype=np.bool_),
        np.zeros(len(rows), dtype=np.bool_),
    )


def cold() -> tuple[Ledger, BarBuilder]:
    ledger = Ledger(len(SYMBOLS), LIMITS.max_held)
    builder = BarBuilder(
        SYMBOLS,
        every_us=LIMITS.every_us,
        lateness_us=LIMITS.lateness_us,
        forward_fill_us=LIMITS.forward_fill_us,
        silence_us=LIMITS.silence_us,
    )
    return ledger, builder


@settings(max_examples=300, deadline=None)
@given(rows=arrivals(), data=st.data())
def test_intake_of_any_cut_says_what_the_rules_say_row_by_row(
    rows: list[Row], data: st.DataObject
) -> None:
    plain = [PlainSymbol(name, LIMITS) for name in SYMBOLS]
    expected = [bar for row in rows for bar in plain[row.symbol].arrive(row)]
    expected += [
        bar
        for symbol in plain
        for bar in symbol.close_until(max(symbol.open_rows, default=NEVER) + 1)
    ]
    ledger, builder = cold()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=6)))
    late = np.zeros(len(SYMBOLS), dtype=np.int64)
    frames = []
    for start, end in itertools.pairwise([0, *cuts, len(rows)]):
        if data.draw(st.booleans()):
            # Carried over into another process.
            saved = [(ledger.snapshot(at), builder.snapshot(at)) for at in range(len(SYMBOLS))]
            ledger, builder = cold()
            for at, (ids, bars) in enumerate(saved):
                ledger.restore(at, ids)
                builder.restore(at, bars)
        closed = builder.push(
            ledger.admit(columns(rows[start:end])), np.full(3, NEVER), ledger.tail_lost
        )
        late += closed.late
        frames.append(closed.frame)
    frames.append(builder.push(columns([]), np.full(3, ENDED), ledger.tail_lost).frame)
    assert_frame_equal(
        pl.concat(frames),
        pl.DataFrame([bar | {"revision": 0} for bar in expected], schema=BARS),
        check_exact=True,
    )
    lost = ledger.losses()
    for at, symbol in enumerate(plain):
        assert lost.get(at, []) == symbol.losses
        assert (ledger.live[at], ledger.backfilled[at]) == (symbol.live, symbol.backfilled)
        assert ledger.duplicates[at] == symbol.duplicates
        assert ledger.implausible[at] == symbol.implausible
        assert late[at] == symbol.late
        lost_ids = sum(last - first + 1 for first, last in symbol.losses)
        assert ledger.lost[at] == lost_ids - len(symbol.found)
