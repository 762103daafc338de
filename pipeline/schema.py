"""The frames that cross a seam: column, dtype, unit. Times are UTC microseconds.

Prices and sizes are Float64: exact arithmetic happens inside the engine, on integers.
"""

from __future__ import annotations

import polars as pl

TIME = pl.Datetime("us", "UTC")

#: One row a trade as the venue numbers it (Binance: an aggregate of `first_id..last_id`).
TRADES = pl.Schema(
    {
        "symbol": pl.String(),
        "trade_id": pl.Int64(),
        "first_id": pl.Int64(),
        "last_id": pl.Int64(),
        "event_time": TIME,  # when the venue matched it
        "receive_time": TIME,  # when this machine read it
        "price": pl.Float64(),
        "quantity": pl.Float64(),
        "buyer_is_maker": pl.Boolean(),  # true: the aggressor sold
    }
)

#: A message that is not market data as the venue documents it, and why.
REJECTED = pl.Schema(
    {"symbol": pl.String(), "reason": pl.String(), "payload": pl.String(), "receive_time": TIME}
)

#: One row a symbol and grid step [open_time, open_time + every). A step without trades repeats the
#: last close for as long as `sampling.forward_fill` says, then its prices are null.
BARS = pl.Schema(
    {
        "symbol": pl.String(),
        "open_time": TIME,
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),  # in the base currency
        "notional": pl.Float64(),  # in the quote currency
        "trades": pl.Int64(),
        "first_id": pl.Int64(),  # trade_id of its first trade, null without one
        "last_id": pl.Int64(),
        "complete": pl.Boolean(),  # every trade id of the step is accounted for
        "revision": pl.Int32(),  # 0 when first published
    }
)

#: What follows `symbol` and `open_time` in a features frame, before the named features.
FEATURES_HEAD = pl.Schema({"symbol": pl.String(), "open_time": TIME, "log_return": pl.Float64()})

#: What follows the named features and the coverage of their windows.
FEATURES_TAIL = pl.Schema(
    {
        "score": pl.Float64(),  # the detector's, in its own standard deviations, never negative
        "direction": pl.Int8(),  # sign of the tested return
        "horizon_s": pl.Float64(),  # of the return that scored
        "regime": pl.String(),  # calm, normal, elevated, extreme; null while unknown
        "regime_change": pl.Int8(),  # 1 where volatility was found to have risen, -1 fallen, else 0
    }
)

ALERTS = pl.Schema(
    {
        "alert_id": pl.String(),
        "symbol": pl.String(),
        "detector": pl.String(),
        "kind": pl.String(),
        "severity": pl.String(),  # minor, major, critical
        "scope": pl.String(),  # idiosyncratic, market
        "status": pl.String(),  # open, closed, retracted
        "start_time": TIME,
        "end_time": TIME,  # null while open
        "peak_time": TIME,
        "peak_score": pl.Float64(),
        "threshold": pl.Float64(),  # the score that was enough to start it
        "move_bp": pl.Float64(),  # the return of the peak, signed; all below are of the peak
        "direction": pl.Int8(),
        "horizon_s": pl.Float64(),
        "samples": pl.Int64(),  # in the window that judged it
        "window_start": TIME,  # exclusive
        "window_end": TIME,  # inclusive
        "revision": pl.Int32(),  # grows with every change of the row
        "parent_id": pl.String(),  # of the market's alert that this one is part of
        # Of the market: symbols that reached their `detector.enter` its way, whatever a budget asks
        # of their own alerts, and those with a score.
        "exceeding": pl.Int32(),
        "members": pl.Int32(),
    }
)

#: The symbol of what all symbols together do.
MARKET_SYMBOL = "MARKET"

#: One row a grid step of the market: the mean of its members. Scores are null while unknown.
MARKET = pl.Schema(
    {
        "open_time": TIME,
        "log_return": pl.Float64(),  # null with fewer members than `market.min_symbols`
        # What the detector takes, a price that was 1 when the coordinator started, with every mean
        # return since: only the ratio of two of them says anything. Null without a return.
        "close": pl.Float64(),
        "members": pl.Int32(),  # symbols with a return in it
        "trades": pl.Int64(),  # of the members; null where no count is known
        "market_score": pl.Float64(),  # the detector's, never negative
        "direction": pl.Int8(),  # sign of the tested return
        "median_score": pl.Float64(),  # of the symbols' signed scores
        "exceeding_frac": pl.Float64(),  # of those symbols, that reach their `enter` its way
    }
)

#: One row a change of a symbol's volatility, as it was found. No alert: it has no severity.
REGIME_CHANGES = pl.Schema(
    {
        "symbol": pl.String(),
        "time": TIME,  # when the bar ended with which it was found
        "direction": pl.Int8(),  # 1 risen, -1 fallen
        "regime": pl.String(),  # then; null while unknown
        "volatility": pl.Float64(),  # of the headline feature, annualised fraction; null if unknown
    }
)

#: One row a symbol and step of the market at which it has a score.
RESIDUALS = pl.Schema(
    {
        "symbol": pl.String(),
        "open_time": TIME,
        "residual_score": pl.Float64(),  # signed: what its score has beyond the market's part
    }
)

#: One row a pair of symbols: how their returns of ten steps went together in the last hour.
CORRELATIONS = pl.Schema(
    {
        "symbol": pl.String(),
        "other": pl.String(),
        "correlation": pl.Float64(),  # Pearson's; null while unknown, or where one did not move
        "returns": pl.Int32(),  # known of both
    }
)

#: One row a symbol: what is known about its trade ids, and how fresh it is.
HEALTH = pl.Schema(
    {
        "symbol": pl.String(),
        "condition": pl.String(),  # see pipeline.conditions; null in history
        "first_id": pl.Int64(),  # null before the first trade
        "last_id": pl.Int64(),
        "last_price": pl.Float64(),
        "last_trade_time": TIME,
        "last_trade_age_s": pl.Float64(),  # on the venue's clock
        "live": pl.Int64(),
        "backfilled": pl.Int64(),
        "pending": pl.Int64(),
        "lost": pl.Int64(),
        "duplicates": pl.Int64(),
        "late": pl.Int64(),
        "rejected": pl.Int64(),
        "coverage_frac": pl.Float64(),  # (live + backfilled) / all ids
        "reconnects": pl.Int64(),  # connections opened in the place of a lost one
        "handovers": pl.Int64(),  # connections opened, and proven, before another was dropped
        "dropped": pl.Int64(),  # messages of the connection dropped unread: the buffer was full
        "lag_ms": pl.Float64(),  # event to receive, of the newest trade, on corrected clocks
        "bars": pl.Int64(),
        "incomplete_bars": pl.Int64(),
        "restated": pl.Int64(),  # bars told again because a missing trade came, each time
        "breaks": pl.Int64(),  # rows in turn whose `first_id` does not follow the `last_id` before
        "alerts": pl.Int64(),
        "enter": pl.Float64(),  # score from which an episode starts, as of now
        "major": pl.Float64(),  # from which it is major
        "critical": pl.Float64(),
        "sha256": pl.String(),  # over every applied trade; null unless actors.digest
        # Of the order book; the counts are null without `books`, the others also while it is not
        # known to be what the venue has.
        "bid": pl.Float64(),
        "ask": pl.Float64(),
        "imbalance": pl.Float64(),  # of sizes over `books.levels`: 1 all bid, -1 all ask
        "book_updates": pl.Int64(),  # snapshots and changes that the stream brought
        "book_coalesced": pl.Int64(),  # changes of them taken together with the next
        "book_dropped": pl.Int64(),  # messages about books dropped unread, of the whole shard
        "book_resyncs": pl.Int64(),  # times that a book which was synced was made anew
    }
)
