"""Dumps of days that are over, against what the exchange issued."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

from pipeline.durations import DAY, HOUR, MINUTE, SECOND
from pipeline.exchange.dumps import DAYS_HELD, Dump, Dumps
from pipeline.exchange.faults import read_fault
from pipeline.exchange.replay import Replay
from pipeline.exchange.trades import Trades, TradeSource
from pipeline.exchange.venue import Exchange
from pipeline.market import SyntheticMarket

#: 2024-12-31 00:00 UTC.
DAY_US = 1_735_603_200_000_000


def tape(*times_us: int) -> Trades:
    ids = np.arange(1, len(times_us) + 1)
    columns = [ids, 2 * ids - 1, 2 * ids, np.array(times_us), 9_354_880_000_000 + ids, ids, ids % 2]
    return Trades(np.array(columns, dtype=np.int64))


class Dumping(Exchange):
    """An exchange, and what it keeps by day."""

    def __init__(self, source: TradeSource) -> None:
        self.dumps = Dumps(source.history_start_us)
        super().__init__(source, self.dumps)


@contextmanager
def dumping(source: TradeSource) -> Iterator[Dumping]:
    exchange = Dumping(source)
    yield exchange
    exchange.dumps.close()


def replaying(*times_us: int) -> AbstractContextManager[Dumping]:
    return dumping(Replay({"ABCUSDT": tape(*times_us)}))


def found(exchange: Dumping, date: str) -> Dump | None:
    return exchange.dumps.find("ABCUSDT", f"ABCUSDT-aggTrades-{date}.zip")


def test_dumps_can_be_given_back_in_the_middle_of_a_day() -> None:
    times_us = [DAY_US + at * 3 * SECOND for at in range(60_000)]
    with replaying(*times_us) as exchange:
        exchange.advance(DAY_US + DAY + DAY // 2)
        dump = found(exchange, "2024-12-31")
    assert dump is not None
    assert dump.file.closed


def csv(dump: Dump | None) -> str:
    assert dump is not None
    with zipfile.ZipFile(dump.file) as read:
        assert read.testzip() is None
        (name,) = read.namelist()
        assert name == dump.name.replace(".zip", ".csv")
        return read.read(name).decode()


def test_dump_has_the_lines_of_the_venue_in_its_unit_of_time() -> None:
    with replaying(
        DAY_US - HOUR,
        DAY_US,
        DAY_US + DAY - 1,
        DAY_US + DAY + 7,
        DAY_US + 2 * DAY,
    ) as exchange:
        exchange.advance(DAY_US + 2 * DAY)
        assert csv(found(exchange, "2024-12-31")) == (
            "2,93548.80000002,0.00000002,3,4,1735603200000,False,True\n"
            "3,93548.80000003,0.00000003,5,6,1735689599999,True,True\n"
        )
        assert csv(found(exchange, "2025-01-01")) == (
            "4,93548.80000004,0.00000004,7,8,1735689600000007,False,True\n"
        )


def test_dump_is_there_when_the_day_is_over_and_if_its_start_was_seen() -> None:
    with replaying(DAY_US + 1, DAY_US + DAY + 1, DAY_US + 3 * DAY) as exchange:
        exchange.advance(DAY_US + 2 * DAY - 1)
        assert found(exchange, "2025-01-01") is None
        exchange.advance(DAY_US + 2 * DAY)
        assert found(exchange, "2025-01-01") is not None
        exchange.advance(DAY_US + 5 * DAY)
        assert found(exchange, "2024-12-31") is None  # begins with the first trade of a recording
        assert found(exchange, "2025-01-02") is None  # no trades
        assert found(exchange, "2025-01-03") is not None
        assert exchange.dumps.find("XYZUSDT", "XYZUSDT-aggTrades-2025-01-01.zip") is None


def test_dump_is_the_same_however_time_is_cut_and_its_checksum_is_of_its_bytes() -> None:
    times_us = [DAY_US + at * 3 * SECOND for at in range(60_000)]
    with replaying(*times_us) as once, replaying(*times_us) as often:
        once.advance(DAY_US + 2 * DAY)
        for at_us in range(DAY_US, DAY_US + 2 * DAY + 1, 20 * MINUTE):
            often.advance(at_us)
        dumps = [found(exchange, "2025-01-01") for exchange in (once, often)]
        assert csv(dumps[0]) == csv(dumps[1])
        assert csv(dumps[0]).count("\n") == DAY // (3 * SECOND)
        for dump in dumps:
            assert dump is not None
            dump.file.seek(0)
            data = dump.file.read()
            assert dump.size == len(data) < 60_000 * 20
            assert dump.sha256.hexdigest() == hashlib.sha256(data).hexdigest()


def test_dumps_are_kept_of_the_newest_days() -> None:
    days = range(1, DAYS_HELD + 3)
    with replaying(DAY_US, *(DAY_US + day * DAY for day in days)) as exchange:
        for day in days:
            exchange.advance(DAY_US + (day + 1) * DAY)
        dates = [str(np.datetime64("2024-12-31") + day) for day in days]
        assert [found(exchange, date) is None for date in dates] == [True] * 2 + [False] * DAYS_HELD


def test_dump_lacks_what_is_lost_and_has_what_was_only_not_streamed() -> None:
    with replaying(DAY_US, *(DAY_US + at * HOUR for at in range(1, 30))) as exchange:
        exchange.advance(DAY_US + 2 * HOUR)
        for name in ("lose", "skip"):
            fault = read_fault({"fault": name, "count": 2}, {"ABCUSDT"})
            exchange.faults.switch_on(fault)
        exchange.advance(DAY_US + DAY)
        ids = [int(line.partition(",")[0]) for line in csv(found(exchange, "2024-12-31")).split()]
        assert ids == [1, 2, *range(5, 25)]


def test_dump_of_the_history_is_there_when_the_exchange_opens() -> None:
    market = SyntheticMarket(
        ["BTCUSDT"], seed=3, start_us=DAY_US + 3 * SECOND, trades_per_s=0.2, history_us=DAY + MINUTE
    )
    with dumping(market) as exchange:
        exchange.lay_down_history()
        dump = exchange.dumps.find("BTCUSDT", "BTCUSDT-aggTrades-2024-12-30.zip")
        rows = [line.split(",") for line in csv(dump).split()]
    held = exchange.markets["BTCUSDT"].trades
    of_day = held.split_at(DAY_US)[0].split_at(DAY_US - DAY)[1]
    assert [int(row[0]) for row in rows] == of_day.trade_id.tolist()
    assert len(rows) == pytest.approx(0.2 * 86_400, rel=0.1)
