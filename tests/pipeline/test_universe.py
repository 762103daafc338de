from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config_sections import SymbolRule
from pipeline.universe import Turnover, turnover
from pipeline.venues.protocol import Instrument


def listed(symbol: str, quote: str = "USDT", *, trading: bool = True) -> Instrument:
    return Instrument(
        symbol, trading=trading, tick_size=0.01, quote_asset=quote, code=symbol.lower()
    )


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
VOLUMES = {"ausdt": 1.0, "busdt": 9.0, "cusdt": 99.0, "dbtc": 99.0, "eusdt": 9.0}


def ranked(names: str) -> tuple[list[Instrument], dict[str, float]]:
    """A listing with the markets named by letters, the first one trading the most."""
    return [listed(name) for name in names], {
        name.lower(): 100.0 - at for at, name in enumerate(names)
    }


def test_turnover_at_the_start_is_the_trading_markets_by_volume_then_name() -> None:
    all_of_them = ("BUSDT", "EUSDT", "AUSDT", "FUSDT")
    assert turnover((), MARKETS, VOLUMES, rule(10)) == Turnover(all_of_them, {})
    assert turnover((), MARKETS, VOLUMES, rule(2)) == Turnover(("BUSDT", "EUSDT"), {})


def test_turnover_leaves_out_what_is_excluded() -> None:
    found = turnover((), MARKETS, VOLUMES, rule(2, ("BUSDT",)))
    assert found == Turnover(("EUSDT", "AUSDT"), {})


def test_turnover_with_a_market_that_rose_into_the_top_lets_it_enter() -> None:
    assert turnover("ABCDE", *ranked("ANBCDE"), rule(5)) == Turnover(("N",), {})


def test_turnover_ends_a_market_only_when_a_fifth_more_are_ahead_of_it() -> None:
    assert turnover("ABCDEF", *ranked("NABCDEF"), rule(5)) == Turnover(("N",), {"F": "outranked"})
    assert turnover("ABCDEF", *ranked("ABCDEFN"), rule(5)) == Turnover((), {})
    assert turnover("ABCDEF", *ranked("ABCDNEF"), rule(5)) == Turnover(("N",), {"F": "outranked"})


def test_turnover_with_a_halted_market_keeps_it_and_lets_no_halted_one_enter() -> None:
    found = turnover(("AUSDT", "CUSDT"), MARKETS, VOLUMES, rule(2))
    assert found == Turnover(("BUSDT",), {"AUSDT": "outranked"})


def test_turnover_with_a_halted_market_whose_volume_has_faded_ends_it() -> None:
    volumes = VOLUMES | {"cusdt": 0.0, "fusdt": 0.5}
    found = turnover(("BUSDT", "CUSDT"), MARKETS, volumes, rule(2))
    assert found == Turnover(("EUSDT",), {"CUSDT": "outranked"})


def test_turnover_without_a_listed_market_ends_it_as_delisted() -> None:
    assert turnover("ABX", *ranked("ABC"), rule(3)) == Turnover(("C",), {"X": "delisted"})


def test_turnover_lets_a_market_that_ended_return() -> None:
    assert turnover("AB", *ranked("CAB"), rule(2)) == Turnover(("C",), {})
    assert turnover("CA", *ranked("BCA"), rule(2)) == Turnover(("B",), {})


@given(
    ranks=st.lists(st.permutations("ABCDEFGHIJKL"), max_size=20),
    top=st.integers(1, 8),
)
def test_turnover_of_any_history_of_ranks_watches_the_top_and_at_most_a_fifth_more(
    ranks: list[list[str]], top: int
) -> None:
    watched: set[str] = set()
    for names in ranks:
        found = turnover(watched, *ranked("".join(names)), rule(top))
        assert watched.isdisjoint(found.entered)
        assert watched >= found.ended.keys()
        watched = (watched | {*found.entered}) - found.ended.keys()
        assert watched >= {*names[:top]}
        assert len(watched) <= -(-12 * top // 10)
