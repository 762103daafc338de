"""`explain`: an alert recomputed from the bars of a batch, or of the running pipeline."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
from rich.console import Console
from rich.table import Table

from actors.runner import running_pipeline
from pipeline.batch.recorded import RecordedBatch
from pipeline.durations import SECOND, format_duration
from pipeline.errors import ReplayError
from pipeline.explain import Explanation, explain
from pipeline.explain_market import explain_market
from pipeline.schema import MARKET_SYMBOL
from pipeline.times import microseconds, time_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.explain_market import Movers

#: So many symbols of an alert of the market are shown to people, those that moved furthest.
_MOVERS = 20


def run_explain(
    alert_id: str, *, directory: Path | None, address: str | None, as_json: bool
) -> int:
    """Print why there was an alert; return 0 if it could be repeated to the bit, else 1.

    Args:
        alert_id: As in ALERTS.
        directory: Of a finished batch; null asks the running pipeline.
        address: Of its cluster.
        as_json: Print one JSON object.

    Raises:
        CryptoctopusError: There is no such alert, or the bars behind it are not there any more.
    """
    if directory is None:
        found = _of_pipeline(alert_id, address)
    else:
        found = _of_batch(alert_id, RecordedBatch(directory))
    if as_json:
        # What is not known, NaN, is null there.
        written = msgspec.json.encode(asdict(found) | {"same": found.same})
        print(written.decode())  # noqa: T201 - the result
    else:
        _print(found)
    return 0 if found.same else 1


def _of_batch(alert_id: str, batch: RecordedBatch) -> Explanation:
    alert = batch.alert(alert_id)
    start_us, end_us = (microseconds(alert[at]) for at in ("start_time", "peak_time"))
    # Mostly what the windows reach is enough; the stretch of a thin market may know more.
    since_us = start_us - batch.config.silence_us
    found = explain(alert, batch.bars(alert["symbol"], since_us, end_us), batch.config)
    if found.same:
        return found
    return explain(alert, batch.bars(alert["symbol"], None, end_us), batch.config)


def _of_pipeline(alert_id: str, address: str | None) -> Explanation:
    with running_pipeline(address) as pipeline:
        alerts = pipeline.snapshot(0).alerts
        found = alerts.filter(pl.col("alert_id") == alert_id)
        if found.is_empty():
            raise ReplayError(
                f"the running pipeline: expected alert {alert_id}, found {alerts.height:,} others"
            )
        bars, market, config = pipeline.bars(), pipeline.market(), pipeline.config()
    alert = found.row(0, named=True)
    until = pl.col("open_time") < alert["peak_time"]
    if alert["symbol"] == MARKET_SYMBOL:
        return explain_market(alert, market.filter(until), _newest(bars.filter(until)), config)
    own = pl.col("symbol") == alert["symbol"]
    return explain(alert, _newest(bars.filter(until, own)), config)


def _newest(bars: pl.DataFrame) -> pl.DataFrame:
    """Return bars in time order; one that was restated counts as it was told last."""
    return bars.unique(["symbol", "open_time"], keep="last").sort("open_time")


def _print(found: Explanation) -> None:
    alert = found.alert
    price, rows = ("price", "bars") if found.movers is None else ("index", "steps")
    console = Console(width=160, highlight=False)
    console.print(f"{alert['alert_id']}: {alert['severity']}, {alert['status']}")
    console.print(
        f"started {alert['start_time']:%F %T}, score {found.start_score:.3f}: "
        f"{found.enter:g} was enough"
    )
    over = (
        ""
        if alert["horizon_s"] is None
        else f" over {format_duration(round(alert['horizon_s'] * SECOND))}"
    )
    console.print(
        f"peaked  {alert['peak_time']:%F %T}, score {found.peak_score:.3f}, {price} "
        f"{found.peak_close:.10g}, {alert['move_bp']:+.1f} bp{over}"
    )
    if found.horizons:
        console.print(_horizon_table(found))
    if found.of_zscore is not None:
        one = found.of_zscore
        console.print(
            f"return  {one.move_bp:+.3f} bp; of the {one.samples} before it the mean is "
            f"{one.mean_bp:+.3f} bp, the deviation {one.deviation_bp:.3f} bp"
        )
    if found.movers is not None:
        _print_movers(console, alert, found.movers)
    console.print(
        f"recomputed from {found.bars:,} {rows} since {found.first_bar:%F %T}: "
        f"peak score {found.peak_score!r}, "
        f"{'the same to the bit' if found.same else _told(found.differences)}"
    )


def _horizon_table(found: Explanation) -> Table:
    table = Table(title="at the peak")
    columns: Sequence[str] = ("over", "move bp", "scale bp", "with outliers", "score", "judged by")
    for column in columns:
        table.add_column(column, justify="left" if column == "judged by" else "right")
    for one in found.horizons:
        start, end = (time_at(at) for at in (one.window_start_us, one.window_end_us))
        table.add_row(
            format_duration(one.horizon_us),
            f"{one.move_bp:+.2f}",
            f"{one.scale_bp:.3f}",
            f"{one.raw_scale_bp:.3f}",
            f"{one.score:.3f}",
            f"{one.samples} returns, ({start:%T}, {end:%T}]",
        )
    return table


def _print_movers(console: Console, alert: Mapping[str, Any], movers: Movers) -> None:
    median = "unknown" if movers.median_score is None else f"{movers.median_score:+.3f}"
    console.print(
        f"{alert['exceeding']} of {alert['members']} symbols with a score reached their own "
        f"threshold; at the peak {movers.members} have a return, the median of their scores is "
        f"{median}"
    )
    table = Table(title="who moved, from close to close")
    table.add_column("symbol")
    table.add_column("move bp", justify="right")
    for move in movers.moves[:_MOVERS]:
        table.add_row(move.symbol, f"{move.move_bp:+.2f}")
    console.print(table)
    if len(movers.moves) > _MOVERS:
        console.print(f"and {len(movers.moves) - _MOVERS} more, which moved less")


def _told(differences: Mapping[str, tuple[Any, Any]]) -> str:
    """Return what was recorded otherwise, and why that may be."""
    recorded = ", ".join(f"{name} {was}" for name, (was, _) in differences.items())
    return (
        f"but {recorded} was recorded: the bars do not reach far enough back, or the program or "
        "the thresholds of its windows are not those of the run"
    )
