"""The commands that measure detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Page = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots, too.")
]

evaluate = typer.Typer(help="Measure detectors against what is known.", no_args_is_help=True)


@evaluate.command()
def sim(
    *,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="FIRST-LAST", help="Paths to simulate; two days each."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    html: Page = None,
) -> None:
    """On a simulated market, where it is known what happened."""
    from actors.evaluate import seeds_of, show_sim  # noqa: PLC0415 - others need not load it
    from pipeline.evaluation.sim import REPORTED_ON  # noqa: PLC0415 - likewise

    try:
        chosen = seeds_of(seeds, REPORTED_ON)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    show_sim(chosen, as_json=as_json, html=html)


@evaluate.command()
def ablation(
    *,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="FIRST-LAST", help="Paths to simulate; two days each."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """On the simulated market, with one choice of the default detector changed at a time."""
    from actors.evaluate import seeds_of, show_ablation  # noqa: PLC0415 - others need not load it
    from pipeline.evaluation.ablation import SEEDS  # noqa: PLC0415 - likewise

    try:
        chosen = seeds_of(seeds, SEEDS)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    show_ablation(chosen, as_json=as_json)


@evaluate.command()
def nab(
    *,
    data: Annotated[Path, typer.Option(metavar="DIR", help="A checkout of the benchmark's data.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    html: Page = None,
) -> None:
    """On the Numenta Anomaly Benchmark, beside what others have published."""
    from actors.evaluate import show_nab  # noqa: PLC0415 - others need not load it

    show_nab(data, as_json=as_json, html=html)


@evaluate.command()
def klines(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Minute bars of a venue.")],
    *,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=VALUE", help="Override one config value; repeatable."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="What is known to have happened in folders of files."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    html: Page = None,
) -> None:
    """On recorded months of minute bars: alerts, outages, budgets, known events."""
    from actors.evaluate_klines import show_klines  # noqa: PLC0415 - others need not load it

    show_klines(files, settings or [], events, as_json=as_json, html=html)


@evaluate.command()
def market(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Minute bars of a venue.")],
    *,
    min_symbols: Annotated[
        int, typer.Option(min=2, help="Known returns without which the market has none.")
    ] = 3,
    events: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="What is known to have happened in folders of files."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """On recorded months of minute bars of many markets: the alerts of all together."""
    from actors.evaluate_market import show_market  # noqa: PLC0415 - others need not load it

    show_market(files, events, min_symbols=min_symbols, as_json=as_json)
