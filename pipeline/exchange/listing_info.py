"""`exchangeInfo`: the markets on offer and their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exchange.decimals import decimal_text
from pipeline.exchange.weights import WEIGHT_PER_MINUTE

if TYPE_CHECKING:
    from pipeline.exchange.parameters import Parameters
    from pipeline.exchange.trades import Listing
    from pipeline.exchange.venue import Exchange

_LARGEST_E8 = 9_000_000 * 10**8


def exchange_info(exchange: Exchange, parameters: Parameters, unit_us: int) -> object:
    """Answer for the asked symbols, or for all."""
    asked = parameters.symbols(exchange.listed)
    symbols = list(exchange.listed) if asked is None else asked
    return {
        "timezone": "UTC",
        "serverTime": exchange.now_us // unit_us,
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": WEIGHT_PER_MINUTE,
            }
        ],
        "exchangeFilters": [],
        "symbols": [
            _listed(exchange.markets[symbol].listing, halted=symbol in exchange.halted)
            for symbol in symbols
        ],
    }


def _listed(listing: Listing, *, halted: bool) -> dict[str, object]:
    tick, lot = decimal_text(listing.tick_e8), decimal_text(listing.lot_e8)
    return {
        "symbol": listing.symbol,
        "status": "BREAK" if halted else "TRADING",
        "baseAsset": listing.base_asset,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote_asset,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "quoteOrderQtyMarketAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        # Clients read the tick size from filters[0].
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": decimal_text(_LARGEST_E8),
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": lot,
                "maxQty": decimal_text(_LARGEST_E8),
                "stepSize": lot,
            },
        ],
        "permissions": ["SPOT"],
    }
