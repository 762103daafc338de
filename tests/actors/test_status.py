from __future__ import annotations

import polars as pl

from actors.status import _books_table
from pipeline.report import has_books
from pipeline.schema import HEALTH


def health(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(HEALTH) | row for row in rows], schema=HEALTH)


def test_books_are_told_where_any_symbol_has_one() -> None:
    without, counted = {"symbol": "A"}, {"symbol": "B", "book_updates": 0}
    assert not has_books(health())
    assert not has_books(health(without))
    assert has_books(health(without, counted))


def test_table_of_books_has_a_row_a_symbol_and_blanks_for_what_is_not_known() -> None:
    counts = {"book_updates": 12345, "book_coalesced": 7, "book_dropped": 0, "book_resyncs": 1}
    known = {"symbol": "BTCUSDT", "bid": 64536.51, "ask": 64537.0, "imbalance": -0.125} | counts
    table = _books_table(health(known, {"symbol": "NEW"} | counts, {"symbol": "OTHER"}))

    told = [list(column.cells) for column in table.columns]
    assert [str(column.header) for column in table.columns] == [
        "symbol", "bid", "ask", "imbalance", "updates", "coalesced", "dropped", "resyncs",
    ]  # fmt: skip
    assert [list(row) for row in zip(*told, strict=True)] == [
        ["BTCUSDT", "64536.51", "64537", "-0.12", "12,345", "7", "0", "1"],
        ["NEW", "-", "-", "-", "12,345", "7", "0", "1"],
        ["OTHER", "-", "-", "-", "-", "-", "-", "-"],
    ]
