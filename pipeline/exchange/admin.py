"""What only an operator may ask: what was truly issued, and that something goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from pipeline.exchange.faults import FaultError, read_fault
from pipeline.exchange.ledger import Issued, Ledger
from pipeline.exchange.parameters import BadRequestError, Parameters
from pipeline.exchange.rest import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.exchange.faults import Fault
    from pipeline.exchange.trades import Trades
    from pipeline.exchange.venue import Exchange


class _Listing(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    trading: bool = True
    listed: bool = True


def ledger(exchange: Exchange, query: Sequence[tuple[str, str]]) -> Response:
    """Answer with `first_id`, `last_id` and `sha256` of each symbol since the exchange opened.

    With `symbol`, `first_id` and `last_id` (inclusive): of those trades alone, as far as they are
    held, so that a reader who came late or left early can compare too. `served_sha256` is then the
    hash without those that are served nowhere: what a reader can have at most.
    """
    try:
        parameters = Parameters(query)
        if not query:
            body: object = {
                symbol: market.ledger.entry() for symbol, market in exchange.markets.items()
            }
        else:
            body = _part(exchange, parameters)
        parameters.all_read()
    except BadRequestError as refusal:
        return Response(400, {}, msgspec.json.encode({"code": refusal.code, "msg": str(refusal)}))
    return Response(200, {}, msgspec.json.encode(body))


def switch_on(exchange: Exchange, body: bytes) -> tuple[Response, Fault | None]:
    """Switch a fault on; answer with what is on, or with 400 and what was expected.

    Returns:
        The answer, and the fault, for what is done to connections at once.
    """
    try:
        fault = read_fault(msgspec.json.decode(body), exchange.markets)
    except (msgspec.DecodeError, FaultError) as error:
        return _bad(str(error)), None
    exchange.faults.switch_on(fault)
    return faults(exchange), fault


def change_listing(exchange: Exchange, body: bytes) -> Response:
    """Halt a market, take it off the listing, or let it trade again.

    The body is `{"symbol": NAME, "trading": true, "listed": true}`; what is not given is true.
    """
    try:
        asked = msgspec.json.decode(body, type=_Listing)
    except msgspec.MsgspecError as error:
        return _bad(str(error))
    if asked.symbol not in exchange.markets:
        return _bad(f"symbol: expected one that is listed, found {asked.symbol!r}")
    for wanted, without in ((asked.trading, exchange.halted), (asked.listed, exchange.delisted)):
        if wanted:
            without.discard(asked.symbol)
        else:
            without.add(asked.symbol)
    now = {"halted": sorted(exchange.halted), "delisted": sorted(exchange.delisted)}
    return Response(200, {}, msgspec.json.encode(now))


def _bad(text: str) -> Response:
    return Response(400, {}, msgspec.json.encode({"code": -1100, "msg": text}))


def faults(exchange: Exchange) -> Response:
    """Answer with the faults that are on, and with what they have done."""
    return Response(200, {}, msgspec.json.encode(exchange.faults.entry()))


def _part(exchange: Exchange, parameters: Parameters) -> object:
    symbol = parameters.symbol(exchange.markets)
    first_id, last_id = parameters.integer("first_id"), parameters.integer("last_id")
    if first_id is None or last_id is None:
        raise BadRequestError(-1102, "Mandatory parameters 'first_id' and 'last_id'.")
    trades = exchange.markets[symbol].trades
    low, high = np.searchsorted(trades.trade_id, [first_id, last_id + 1])
    part = trades[int(low) : int(high)]
    entry = _ledger_of(part).entry()
    served = _ledger_of(exchange.faults.kept(symbol, part)).entry()
    return {symbol: entry | {"served_sha256": served["sha256"]}}


def _ledger_of(trades: Trades) -> Ledger:
    ledger = Ledger()
    if len(trades):
        ledger.add(Issued.of(trades))
    return ledger
