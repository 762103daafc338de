"""Catch-up turn by turn: a venue that answers from memory, and a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from actors.catch_up import CatchUp
from actors.feed import Feed, FeedStatus
from actors.findings import (
    Anchored,
    Checked,
    Expected,
    Fetched,
    Finding,
    Past,
    Stray,
    Unserved,
    Verified,
)
from actors.rest import RestClient
from pipeline.config import Config
from pipeline.errors import SchemaError, VenueDisconnected, VenueRefused
from pipeline.healing import Missing, Progress
from pipeline.venues.binance import Binance
from pipeline.venues.protocol import Request

START_MS = 1_700_000_000_000  # a whole second
EVERY_MS = 100  # from one id to the next

VENUE = Binance("exchange", "ws://unused", "http://venue")
CONFIG = Config.model_validate({"symbols": ["A", "B"]})


def time_us(trade_id: int) -> int:
    return (START_MS + EVERY_MS * trade_id) * 1000


class Exchange:
    """A venue's REST answers, from memory; what was asked for is in `journal`."""

    def __init__(self, **ids: Iterable[int]) -> None:
        self.ids = {symbol: list(served) for symbol, served in ids.items()}
        self.newest = {symbol: served[-1:] for symbol, served in self.ids.items()}
        self.every_ms = EVERY_MS
        self.refused: set[str] = set()
        self.unreachable: set[str] = set()
        self.journal: list[str] = []
        self.now_ms = START_MS

    def issue(self, symbol: str, ids: Iterable[int]) -> None:
        self.ids[symbol].extend(ids)
        self.newest[symbol] = self.ids[symbol][-1:]

    def get(self, request: Request) -> bytes:
        parts = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/api/v3/")
        shown = [f"{name}={value}" for name, value in query.items() if name != "limit"]
        self.journal.append(" ".join([path, *shown]))
        for subject in (path, query.get("symbol", path)):
            if subject in self.unreachable:
                raise VenueDisconnected(f"GET {request.url}: no route")
            if subject in self.refused:
                raise VenueRefused(f"GET {request.url}: HTTP 400")
        return json.dumps(getattr(self, f"_{path}")(query)).encode()

    def asked(self, beginning: str) -> list[str]:
        return [asked for asked in self.journal if asked.startswith(beginning)]

    def _time(self, _: dict[str, str]) -> object:
        return {"serverTime": self.now_ms}

    def _klines(self, query: dict[str, str]) -> object:
        opens = range(int(query["startTime"]), int(query["endTime"]), 1000)
        rest = ["1", "2", "0.5", "1.5", "10"]
        return [[at, *rest, at + 999, "15", 3, "5", "7", "0"] for at in opens][:1000]

    def _aggTrades(self, query: dict[str, str]) -> object:  # noqa: N802 - the venue's own name
        symbol, limit = query["symbol"], int(query["limit"])
        if "fromId" in query:
            ids = [one for one in self.ids[symbol] if one >= int(query["fromId"])]
        elif "startTime" in query:
            since = int(query["startTime"])
            ids = [one for one in self.ids[symbol] if self._time_ms(one) >= since]
        else:
            ids = self.newest[symbol]
        return [
            {"a": i, "p": "1.5", "q": "2", "f": i, "l": i, "T": self._time_ms(i), "m": True}
            for i in ids[:limit]
        ]

    def _time_ms(self, trade_id: int) -> int:
        return START_MS + self.every_ms * trade_id


class Stream:
    """Stands in for the feed: connected when the test says so."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.started = False
        self.generation = 0
        self.connected = False

    def start(self) -> None:
        self.started = True
        self.journal.append("feed started")

    def connect(self) -> None:
        self.generation += 1
        self.connected = True

    def status(self) -> FeedStatus:
        return FeedStatus(self.connected, self.generation, silent_s=0.0, last_error=None)


class Setup:
    """Catch-up with its surroundings."""

    def __init__(self, exchange: Exchange, config: Config = CONFIG) -> None:
        self.exchange = exchange
        self.feed = Stream(exchange.journal)
        self.now_s = 1000.0
        self.catch_up = CatchUp(
            list(exchange.ids),
            config,
            VENUE,
            cast("RestClient", exchange),
            cast("Feed", self.feed),
            clock=lambda: self.now_s,
        )

    def tick(self, after_s: float = 0.0) -> list[Finding]:
        self.now_s += after_s
        self.catch_up._tick()
        return self.catch_up.findings()

    def settle(self) -> None:
        """Anchor, connect and verify."""
        self.feed.connect()
        self.tick()
        assert self.feed.started

    def report(self, *hole: int, symbol: str = "A", known: Progress | None = None) -> None:
        holes = {symbol: [(hole[0], hole[1])]} if hole else {}
        self.catch_up.report(holes, {}, {} if known is None else {symbol: known})


def ids_of(trades: pl.DataFrame) -> list[int]:
    return trades["trade_id"].to_list()


def fetched(*findings: Finding) -> list[tuple[str, list[int]]]:
    return [(one.symbol, ids_of(one.trades)) for one in findings if isinstance(one, Fetched)]


def test_tick_anchors_every_symbol_before_it_opens_the_feed() -> None:
    at = Setup(Exchange(A=range(1, 26), B=[7]))
    first, second = at.tick()
    assert isinstance(first, Anchored)
    assert isinstance(second, Anchored)
    # Trade 25 is 2.5 s after the start: the open bar holds trades 20 to 25.
    assert (first.symbol, first.open_us, ids_of(first.trades)) == (
        "A",
        (START_MS + 2000) * 1000,
        [20, 21, 22, 23, 24, 25],
    )
    assert (second.symbol, second.open_us, ids_of(second.trades)) == ("B", START_MS * 1000, [7])
    assert at.exchange.journal[-1] == "feed started"
    assert at.exchange.journal.count("feed started") == 1
    before = len(at.exchange.journal)
    assert at.tick() == []
    assert len(at.exchange.journal) == before


def test_anchor_takes_the_bars_up_to_the_open_one() -> None:
    narrow = {"features": ["realized_vol_1m"], "detector": {"name": "zscore", "window": 10}}
    at = Setup(Exchange(A=range(1, 26)), Config.model_validate({"symbols": ["A"], **narrow}))
    (anchored,) = at.tick()
    assert isinstance(anchored, Anchored)
    # A minute and a step, up to 1 ms before the open bar.
    assert at.exchange.asked("klines") == [
        "klines symbol=A interval=1s startTime=1699999941000 endTime=1700000001999"
    ]
    opens = (anchored.history["open_time"].to_physical() // 1000).to_list()
    assert (len(opens), opens[0], opens[-1]) == (61, START_MS - 59_000, START_MS + 1000)


def budgeted(symbols: str, history: str) -> Config:
    plain = {"name": "zscore", "window": 10}
    rates = {"minor": "1/d", "major": "1/5d", "critical": "1/9d"}
    return Config.model_validate(
        {
            "symbols": [*symbols],
            "features": ["realized_vol_1m"],
            "detector": {**plain, "budget": {**rates, "history": history}},
            "overrides": {"B": {"detector": plain}} if "B" in symbols else {},
        }
    )


def opens_s(bars: pl.DataFrame) -> list[int]:
    """Open times, in seconds after the start."""
    return ((bars["open_time"].to_physical() // 1000 - START_MS) // 1000).to_list()


def test_tick_fetches_the_past_of_a_budget_before_any_anchor_and_up_to_it() -> None:
    at = Setup(Exchange(B=[25], A=[25]), budgeted("BA", "1500s"))
    first, second, *starts = at.tick()
    # Only A has a budget. A minute and two seconds are what its scores need.
    assert isinstance(first, Past)
    assert isinstance(second, Past)
    assert opens_s(first.bars) + opens_s(second.bars) == list(range(-1559, -59))
    assert first.bars.height == 1000
    assert [one.symbol for one in starts if isinstance(one, Anchored)] == ["B", "A"]
    assert isinstance(starts[1], Anchored)
    assert opens_s(starts[1].history) == list(range(-59, 2))
    assert at.feed.started


def test_anchor_that_comes_long_after_its_past_leaves_no_hole_behind_it() -> None:
    at = Setup(Exchange(A=[25]), budgeted("A", "100s"))
    page = at.catch_up._anchoring.past("A")
    assert page is not None
    at.exchange.issue("A", [925])  # a minute and a half later
    (anchored,) = at.tick()
    assert isinstance(anchored, Anchored)
    assert opens_s(page)[-1] == -60
    assert opens_s(anchored.history) == list(range(-59, 92))


def test_past_of_more_pages_than_may_wait_is_fetched_when_they_were_taken() -> None:
    at = Setup(Exchange(A=[25]), budgeted("A", "20000s"))
    pages = at.tick()
    assert len(pages) == 16
    assert not at.feed.started
    *others, anchored = at.tick()
    assert len(others) == 4
    assert isinstance(anchored, Anchored)
    bars = [one.bars for one in [*pages, *others] if isinstance(one, Past)]
    assert opens_s(pl.concat(bars)) == list(range(-20059, -59))


def test_past_of_a_venue_that_is_away_goes_on_with_the_page_it_was_at() -> None:
    at = Setup(Exchange(A=[25]), budgeted("A", "1500s"))
    assert at.catch_up._anchoring.past("A") is not None
    at.exchange.unreachable = {"klines"}
    with pytest.raises(VenueDisconnected):
        at.tick()
    at.exchange.unreachable = set()
    page, anchored = at.tick()
    assert isinstance(page, Past)
    assert opens_s(page.bars) == list(range(-559, -59))
    assert isinstance(anchored, Anchored)


def test_past_that_the_venue_does_not_have_or_of_no_trade_is_none() -> None:
    exchange = Exchange(A=[25], C=[])
    exchange.refused = {"klines"}
    at = Setup(exchange, budgeted("AC", "1500s"))
    nothing, first, second = at.tick()
    assert isinstance(nothing, Past)
    assert nothing.bars.is_empty()
    assert isinstance(first, Anchored)
    assert isinstance(second, Anchored)
    assert first.history.is_empty()
    assert second.open_us is None


def test_tick_after_stop_fetches_no_past() -> None:
    at = Setup(Exchange(A=[25]), budgeted("A", "1500s"))
    at.catch_up.stop()
    assert at.tick() == []
    assert at.exchange.asked("klines") == []


def test_starts_that_wait_keep_no_other_symbol_from_its_own() -> None:
    symbols = "ACDEFGHIJKLMNOPQRST"
    at = Setup(Exchange(**{symbol: [25] for symbol in symbols}), budgeted(symbols, "0s"))
    at.exchange.unreachable = {"T"}
    with pytest.raises(VenueDisconnected):
        at.catch_up._tick()
    at.exchange.unreachable = set()
    assert len(at.tick()) == 19  # eighteen had not been taken when the last was asked for


def test_anchor_of_an_open_bar_of_many_pages_takes_all_of_its_trades() -> None:
    exchange = Exchange(A=range(1, 2501))
    exchange.every_ms = 0
    (anchored,) = Setup(exchange).tick()
    assert isinstance(anchored, Anchored)
    assert ids_of(anchored.trades) == list(range(1, 2501))


def test_anchor_at_a_venue_without_such_bars_is_a_cold_start() -> None:
    exchange = Exchange(A=range(1, 6))
    exchange.refused = {"klines"}
    at = Setup(exchange)
    (anchored,) = at.tick()
    assert isinstance(anchored, Anchored)
    assert anchored.history.is_empty()
    assert (anchored.open_us, ids_of(anchored.trades)) == (START_MS * 1000, [1, 2, 3, 4, 5])
    assert at.feed.started


def test_anchor_whose_page_is_empty_is_asked_for_again() -> None:
    at = Setup(Exchange(A=[]))
    at.exchange.newest["A"] = [5]
    with pytest.raises(VenueDisconnected, match=r"startTime=1700000000000.*found none yet"):
        at.tick()
    assert not at.feed.started
    at.exchange.issue("A", [4, 5])
    (anchored,) = at.tick()
    assert isinstance(anchored, Anchored)
    assert ids_of(anchored.trades) == [4, 5]


def test_tick_of_a_venue_that_refuses_one_symbol_goes_on_with_the_others() -> None:
    exchange = Exchange(A=range(1, 4), B=range(1, 4))
    exchange.refused = {"A"}
    at = Setup(exchange)
    (anchored,) = at.tick()
    assert isinstance(anchored, Anchored)
    assert ids_of(anchored.trades) == [1, 2, 3]
    exchange.issue("B", [4])
    at.feed.connect()
    assert at.tick() == [Expected("B", 4, 4), Verified(1, 0)]
    at.catch_up.report({"A": [(1, 3)], "B": [(4, 4)]}, {}, {})
    assert fetched(*at.tick(1.0)) == [("B", [4])]


def test_symbol_refused_at_its_start_is_not_expected_from_its_first_trade_ever() -> None:
    exchange = Exchange(A=range(1, 4))
    exchange.refused = {"A"}
    at = Setup(exchange)
    at.tick()
    exchange.refused = set()
    at.feed.connect()
    assert at.tick() == [Verified(1, 0)]
    at.catch_up.report({}, {}, {"A": Progress(None, None)})
    assert at.catch_up.verify_again() == 1
    assert at.tick() == [Verified(1, 1)]


def test_tick_of_a_venue_that_refuses_its_time_goes_on() -> None:
    exchange = Exchange(A=[1])
    exchange.refused = {"time"}
    at = Setup(exchange)
    assert len(at.tick()) == 1
    assert at.catch_up.venue_time.now_us(0) is None


def test_tick_of_a_venue_that_is_away_ends_and_the_next_goes_on_where_it_was() -> None:
    exchange = Exchange(A=[1], B=[1])
    exchange.unreachable = {"B"}
    at = Setup(exchange)
    with pytest.raises(VenueDisconnected):
        at.tick()
    assert [one.symbol for one in at.catch_up.findings() if isinstance(one, Anchored)] == ["A"]
    assert not at.feed.started
    exchange.unreachable = set()
    exchange.journal.clear()
    (anchored,) = at.tick()
    assert isinstance(anchored, Anchored)
    assert anchored.symbol == "B"
    assert exchange.asked("aggTrades symbol=A") == []
    assert at.feed.started


def test_tick_of_a_venue_that_goes_away_while_a_connection_is_checked_checks_it_again() -> None:
    at = Setup(Exchange(A=[1], B=[1]))
    at.tick()
    at.exchange.unreachable = {"B"}
    at.feed.connect()
    with pytest.raises(VenueDisconnected):
        at.tick()
    assert at.catch_up.findings() == []
    at.exchange.unreachable = set()
    assert at.tick() == [Verified(1, 0)]


def test_tick_after_stop_asks_for_no_symbol() -> None:
    at = Setup(Exchange(A=[1]))
    at.catch_up.stop()
    assert at.tick() == []
    assert at.exchange.asked("aggTrades") == []
    assert not at.feed.started


def test_tick_reads_the_clock_twice_soon_and_then_now_and_then() -> None:
    at = Setup(Exchange(A=[1]))
    asked = []
    for after_s in (0.0, 0.4, 0.1, 4.9, 0.1, 4.9, 0.1):
        at.tick(after_s)
        asked.append(len(at.exchange.asked("time")))
    assert asked == [1, 1, 2, 2, 3, 3, 4]


def test_new_connection_makes_what_was_issued_since_the_anchor_expected() -> None:
    at = Setup(Exchange(A=range(1, 11), B=range(1, 6)))
    at.tick()
    at.exchange.issue("A", [11, 12, 13])
    at.feed.connect()
    assert at.tick() == [Expected("A", 11, 13), Verified(1, 0)]
    assert at.tick() == []


def test_new_connection_makes_what_was_issued_since_the_last_report_expected() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    at.report(known=Progress(13, time_us(13)))
    at.exchange.issue("A", range(11, 16))
    at.feed.connect()
    assert at.tick() == [Expected("A", 14, 15), Verified(2, 0)]


def test_feed_that_is_not_connected_is_not_checked() -> None:
    at = Setup(Exchange(A=[1]))
    at.settle()
    at.feed.connect()
    at.feed.connected = False
    assert at.tick() == []


def test_symbol_that_never_traded_is_expected_from_its_first_trade_on() -> None:
    at = Setup(Exchange(A=[], B=[]))
    first, _ = at.tick()
    assert isinstance(first, Anchored)
    assert (first.open_us, ids_of(first.trades), first.history.height) == (None, [], 0)
    at.exchange.issue("A", [5, 6, 7])
    at.feed.connect()
    assert at.tick() == [Expected("A", 5, 7), Verified(1, 0)]


def test_verify_again_checks_the_same_connection_once_more() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    assert (at.catch_up.verify_again(), at.catch_up.verify_again()) == (1, 2)
    at.exchange.issue("A", [11])
    assert at.tick() == [Expected("A", 11, 11), Verified(1, 2)]
    assert at.tick() == []


def test_check_says_which_streams_have_not_told_what_the_venue_has() -> None:
    at = Setup(Exchange(A=range(1, 11), B=range(1, 6)))
    at.settle()
    at.exchange.issue("A", [11, 12])
    at.catch_up.check(["A", "B"])
    assert at.tick() == [
        Expected("A", 11, 12),
        Checked("A", behind=True),
        Checked("B", behind=False),
    ]
    assert at.tick() == []


def test_check_of_a_venue_that_is_away_is_made_when_it_is_back() -> None:
    at = Setup(Exchange(A=[1], B=[1]))
    at.settle()
    at.exchange.unreachable = {"B"}
    at.catch_up.check(["A", "B"])
    at.catch_up.check(["B"])
    with pytest.raises(VenueDisconnected):
        at.tick()
    assert at.catch_up.findings() == [Checked("A", behind=False)]
    at.exchange.unreachable = set()
    assert at.tick() == [Checked("B", behind=False)]


def test_new_connection_with_lower_ids_traded_later_means_new_numbers() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    at.report(known=Progress(1000, time_us(10) - 1))
    at.feed.connect()
    with pytest.raises(SchemaError, match="A: expected ids after 1000, found 10 traded later"):
        at.tick()


def test_new_connection_with_lower_ids_than_what_waits_behind_a_hole_only_lags() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    # Of 12 ids those from 7 on wait; the venue's tables have come as far as 10.
    at.report(6, 6, known=Progress(12, time_us(5)))
    at.feed.connect()
    assert at.tick() == [Verified(2, 0)]


def test_new_connection_with_lower_ids_not_traded_later_only_lags() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    at.report(known=Progress(1000, time_us(10)))
    at.feed.connect()
    assert at.tick() == [Verified(2, 0)]


def test_new_connection_with_the_highest_id_known_has_missed_nothing() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    # It is held behind a hole: the newest applied trade is an earlier one.
    at.report(known=Progress(10, time_us(8)))
    at.feed.connect()
    assert at.tick() == [Verified(2, 0)]


def test_hole_is_fetched_once_the_stream_had_two_flushes_to_close_it() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    at.report(4, 6)
    assert at.tick(0.49) == []
    assert fetched(*at.tick(0.01)) == [("A", [4, 5, 6])]


def test_long_hole_is_fetched_in_pieces_each_once_until_it_is_reported() -> None:
    at = Setup(Exchange(A=range(1, 25_001)))
    at.settle()
    at.report(1, 24_990)
    assert fetched(*at.tick(1.0)) == [("A", list(range(1, 20_001)))]
    assert at.tick(10.0) == []
    at.report(20_001, 24_990)
    assert fetched(*at.tick()) == [("A", list(range(20_001, 24_991)))]


def test_hole_is_not_fetched_again_by_a_report_that_does_not_know_the_answer() -> None:
    at = Setup(Exchange(A=range(1, 11)))
    at.settle()
    for _ in range(2):
        at.report(4, 6)
        at.now_s += 1.0
        at.catch_up._tick()
        at.report(4, 6)  # made before the answer was taken out
        at.exchange.journal.clear()
        at.now_s += 2.0
        at.catch_up._tick()
        assert at.exchange.asked("aggTrades") == []
        assert fetched(*at.catch_up.findings()) == [("A", [4, 5, 6])]


def test_hole_that_is_not_served_for_ten_seconds_is_given_up_to_the_id() -> None:
    at = Setup(Exchange(A=[1, 2, 3, 7, 8, 9, 10]))
    at.settle()
    at.report(4, 8)
    assert fetched(*at.tick(1.0)) == [("A", [7, 8])]
    at.report(4, 6)
    for _ in range(9):
        assert at.tick(1.0) == []
    assert at.tick(0.9) == []
    assert at.tick(0.1) == [Unserved(Missing("A", 4, 6))]
    assert at.tick(5.0) == []
    at.report(4, 6)
    assert at.tick() == [Unserved(Missing("A", 4, 6))]


def test_hole_of_which_the_end_is_served_is_given_up_before_it() -> None:
    at = Setup(Exchange(A=[1, 2, 3, 7, 8, 9, 10]))
    at.settle()
    at.report(4, 8)
    at.tick(1.0)
    at.report(4, 8)
    *rest, last = at.tick(10.0)
    assert fetched(*rest) == [("A", [7, 8])]
    assert last == Unserved(Missing("A", 4, 6))


def test_hole_up_to_an_id_the_venue_has_not_issued_is_a_stray() -> None:
    at = Setup(Exchange(A=range(1, 11), B=range(1, 11)))
    at.settle()
    # 900 of A and 11 of B are held; the venue's newest is 10.
    at.catch_up.report({"A": [(11, 899)], "B": [(10, 10)]}, {}, {})
    assert [one for one in at.tick(9.9) if isinstance(one, Stray)] == []
    assert at.tick(0.1)[:2] == [Stray("A", 10), Stray("B", 10)]
    assert [one for one in at.tick(1.0) if isinstance(one, Stray)] == []


def test_old_hole_before_ids_the_venue_has_issued_is_no_stray() -> None:
    at = Setup(Exchange(A=[1, 2, 7]))
    at.settle()
    at.report(3, 6)
    assert at.tick(10.0) == []


def test_lost_ids_are_asked_for_again_and_handed_over_if_they_are_served() -> None:
    at = Setup(Exchange(A=[1, 2, 3, 7]))
    at.settle()
    lost = {"A": [(4, 6)]}
    at.catch_up.report({}, lost, {})
    assert at.tick(15.0) == []
    at.exchange.ids["A"] = [1, 2, 3, 4, 5, 6, 7]
    at.catch_up.report({}, lost, {})
    assert fetched(*at.tick(29.9)) == []
    assert fetched(*at.tick(0.1)) == [("A", [4, 5, 6])]


def test_findings_are_taken_out_once() -> None:
    at = Setup(Exchange(A=[1]))
    at.catch_up._tick()
    assert len(at.catch_up.findings()) == 1
    assert at.catch_up.findings() == []
