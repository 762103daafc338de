from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SymbolRule
from pipeline.universe import choose, newcomers
from pipeline.venues.protocol import Instrument


def listed(symbol: str, quote: str = "USDT", *, trading: bool = True) -> Instrument:
    return Instrument(symbol, trading=trading, tick_size=0.01, quote_asset=quote)


def rule(top: int, exclude: tuple[str, ...] = ()) -> SymbolRule:
    return SymbolRule(quote="USDT", top=top, exclude=exclude)


MARKETS = [
    listed("AUSDT"),
    listed("BUSDT"),
    listed("CUSDT", trading=False),
    listed("DBTC", "BTC"),
    listed("EUSDT"),
    listed("FUSDT"),
]
VOLUMES = {"AUSDT": 1.0, "BUSDT": 9.0, "CUSDT": 99.0, "DBTC": 99.0, "EUSDT": 9.0}


def test_choose_ranks_the_trading_markets_of_the_quote_by_volume_then_name() -> None:
    assert choose(MARKETS, VOLUMES, rule(10)) == ("BUSDT", "EUSDT", "AUSDT", "FUSDT")
    assert choose(MARKETS, VOLUMES, rule(2)) == ("BUSDT", "EUSDT")


def test_choose_leaves_out_what_is_excluded() -> None:
    assert choose(MARKETS, VOLUMES, rule(2, ("BUSDT",))) == ("EUSDT", "AUSDT")


def test_newcomers_are_those_chosen_that_are_not_watched_while_there_is_room() -> None:
    watched = ("A", "B", "C", "D", "E")
    assert newcomers(watched, ("N", "A", "M"), (), rule(5)) == ("N",)  # 6 = 1.2 x 5
    assert newcomers(watched, ("N", "A", "M"), ("B",), rule(5)) == ("N", "M")
    assert newcomers(watched, ("A", "B"), (), rule(5)) == ()


def test_newcomers_of_a_market_that_came_back_are_none() -> None:
    assert newcomers(("A", "B"), ("B", "A"), ("B",), rule(2)) == ()


@given(
    ranks=st.lists(st.permutations([f"S{at}" for at in range(12)]), max_size=20),
    top=st.integers(1, 8),
)
def test_newcomers_of_any_history_of_ranks_stay_within_a_fifth_more(
    ranks: list[list[str]], top: int
) -> None:
    watched: list[str] = []
    for ranked in ranks:
        watched += newcomers(watched, ranked[:top], (), rule(top))
        assert len(watched) == len(set(watched)) <= -(-12 * top // 10)
        assert len(watched) >= top
