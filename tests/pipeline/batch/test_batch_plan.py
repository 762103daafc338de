from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.batch.plan import Backlog, Part, plan_parts
from pipeline.batch.sources import Source
from pipeline.recordings.inputs import Input


def source(
    file: str, *firsts: tuple[str, int, int], rows: int | None = None, size: int = 10
) -> Source:
    kind = Input(Path(file), None, "trades", None, rows, 1)
    return Source(file, kind, {name: (time_us, at) for name, time_us, at in firsts}, size, 1)


def planned(*sources: Source, part_rows: int = 100) -> dict[str, list[Part]]:
    return plan_parts(sources, part_rows=part_rows, results_of=("config", "code"))


def test_plan_orders_the_files_of_a_symbol_by_their_first_rows() -> None:
    one, two = source("z.csv", ("B", 5, 9)), source("b.csv", ("B", 5, 10), ("A", 1, 1))
    three = source("a.csv", ("B", 6, 0))
    chains = planned(three, two, one)
    assert list(chains) == ["A", "B"]
    assert [(part.number, part.file) for part in chains["B"]] == [
        (0, "z.csv"), (1, "b.csv"), (2, "a.csv"), (3, "a.csv"),
    ]  # fmt: skip
    assert [part.source is None for part in chains["B"]] == [False, False, False, True]


def test_plan_cuts_files_that_know_their_length() -> None:
    chain = planned(source("a.parquet", ("A", 0, 0), rows=250, size=900))["A"]
    assert [(part.start_row, part.stop_row, part.size) for part in chain[:-1]] == [
        (0, 100, 360), (100, 200, 360), (200, 250, 180),
    ]  # fmt: skip


def test_plan_leaves_rows_without_a_symbol_to_the_first_of_the_file() -> None:
    chains = planned(source("a.csv", ("B", 0, 0), ("A", 0, 0)))
    assert [chains[name][0].owns_unnamed for name in ("A", "B")] == [True, False]


def test_key_of_a_part_covers_all_it_depends_on() -> None:
    first, second = source("a.csv", ("A", 0, 0)), source("b.csv", ("A", 1, 1))
    keys = [part.key for part in planned(first, second)["A"]]
    assert len(set(keys)) == 3
    changed = [
        replace(second, size=11),
        replace(second, changed_ns=2),
        replace(second, file="c.csv"),
        source("b.csv", ("A", 1, 1), rows=250),
    ]
    for other in changed:
        found = [part.key for part in planned(first, other)["A"]]
        assert (found[0], set(found[1:]) & set(keys)) == (keys[0], set())
    other_code = plan_parts([first], part_rows=100, results_of=("config", "other"))
    assert other_code["A"][0].key != keys[0]
    assert planned(source("a.csv", ("B", 0, 0)))["B"][0].key != keys[0]


def test_backlog_gives_one_part_a_symbol_and_the_most_bytes_first() -> None:
    parts = [
        *planned(source("a1", ("A", 0, 0), size=5), source("a2", ("A", 1, 0), size=5))["A"],
        *planned(source("b1", ("B", 0, 0), size=7))["B"],
    ]
    backlog = Backlog(parts)
    taken = [backlog.take(), backlog.take(), backlog.take()]
    assert [part and part.file for part in taken] == ["a1", "b1", None]
    order = []
    assert taken[0] is not None
    backlog.finish(taken[0])
    while (part := backlog.take()) is not None:
        order.append((part.file, part.source is None))
        backlog.finish(part)
    assert order == [("a2", False), ("a2", True)]
