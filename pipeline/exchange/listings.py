"""The markets the built-in exchange simulates: real names, plausible numbers."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.exchange.decimals import parse_decimal
from pipeline.exchange.trades import Listing


@dataclass(frozen=True, slots=True)
class Profile:
    """A simulated market.

    Attributes:
        listing: What the exchange says of it.
        price: At the start of its history, in USDT.
        trades_per_s: Aggregate trades in a second, on average.
        annual_volatility: Of its price without bursts and jumps, a fraction.
        half_spread_bp: From the middle to a traded price.
        loading: Correlation with the common factor of all markets.
        notional: Of a typical aggregate trade, in USDT.
    """

    listing: Listing
    price: float
    trades_per_s: float
    annual_volatility: float
    half_spread_bp: float
    loading: float
    notional: float


# symbol, price, tick, lot, trades/s, volatility, half spread in bp, loading, notional
_TABLE = """
BTCUSDT  64000    0.01       0.00001  24   0.45  0.1  0.85  1500
ETHUSDT  3150     0.01       0.0001   18   0.60  0.2  0.85  1000
SOLUSDT  152      0.01       0.001    14   0.80  0.5  0.75  700
BNBUSDT  585      0.01       0.001    7    0.50  0.3  0.70  700
XRPUSDT  0.6210   0.0001     0.1      11   0.75  0.8  0.65  500
DOGEUSDT 0.13840  0.00001    1        9    0.95  0.5  0.65  400
ADAUSDT  0.4530   0.0001     0.1      5    0.80  1.1  0.70  350
AVAXUSDT 28.40    0.01       0.01     4    0.90  1.8  0.70  350
LINKUSDT 14.120   0.001      0.01     4    0.85  0.8  0.65  350
DOTUSDT  6.210    0.001      0.01     3.5  0.80  0.9  0.70  300
LTCUSDT  83.50    0.01       0.001    3.5  0.70  0.8  0.65  350
TRXUSDT  0.16530  0.0001     0.1      3.5  0.45  3.0  0.45  300
SUIUSDT  1.8420   0.0001     0.1      6    1.10  0.6  0.60  350
PEPEUSDT 0.00000985 0.00000001 1      7    1.30  5.0  0.55  350
SHIBUSDT 0.00001790 0.00000001 1      3    0.95  2.8  0.60  300
NEARUSDT 4.720    0.001      0.1      3    0.95  1.1  0.65  250
BCHUSDT  348.0    0.1        0.001    2.5  0.75  1.4  0.60  350
UNIUSDT  7.120    0.001      0.01     2.5  0.90  0.8  0.60  250
AAVEUSDT 142.30   0.01       0.001    2.5  0.95  0.6  0.60  300
APTUSDT  8.450    0.001      0.01     2    0.95  0.7  0.60  250
ARBUSDT  0.5620   0.0001     0.1      2.5  0.95  0.9  0.65  250
OPUSDT   1.6540   0.0001     0.01     2    1.00  0.5  0.65  250
FILUSDT  3.840    0.001      0.01     2    0.85  1.4  0.65  250
ATOMUSDT 4.610    0.001      0.01     2    0.80  1.2  0.65  250
"""


def _profile(row: str) -> Profile:
    symbol, price, tick, lot, *numbers = row.split()
    rate, volatility, half_spread_bp, loading, notional = map(float, numbers)
    spread = 2e-4 * half_spread_bp * float(price) / float(tick)
    listing = Listing(
        symbol,
        symbol.removesuffix("USDT"),
        "USDT",
        parse_decimal(tick),
        parse_decimal(lot),
        max(1, round(spread)),
    )
    return Profile(listing, float(price), rate, volatility, half_spread_bp, loading, notional)


#: The simulated markets by symbol, the busiest twelve first.
PROFILES = {
    profile.listing.symbol: profile
    for profile in (_profile(row) for row in _TABLE.strip().splitlines())
}

#: What a demo shows.
DEMO_SYMBOLS = tuple(PROFILES)[:12]
