"""The commands. Results go to stdout, logs and errors to stderr.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from actors.demo import CHAOS_CONFIG, DEMO_CONFIG
from actors.evaluate_commands import evaluate
from actors.logs import configure_logging
from actors.plugins import look_here
from pipeline.config_file import load_config
from pipeline.durations import SECOND, parse_duration
from pipeline.errors import ConfigError, CryptoctopusError, DataError, ReplayError
from pipeline.exchange.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="cryptoctopus",
    help="Live volatility of many crypto markets, with every trade accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(evaluate, name="evaluate")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; see configs/.")]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="A.B=VALUE", help="Override one config value; repeatable."),
]
Address = Annotated[
    str | None,
    typer.Option(metavar="auto|local|HOST:PORT", help="The Ray cluster. [env: RAY_ADDRESS]"),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    configure_logging()
    look_here()
    try:
        app(args=argv, prog_name="cryptoctopus")
    except SystemExit as end:  # how typer returns, also after it has shown a usage error
        return int(end.code or 0)
    except CryptoctopusError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the line the user reads
        return 2 if isinstance(error, ConfigError | DataError | ReplayError) else 1
    return 0


def _duration(text: str | None) -> float | None:
    """Return a duration option in seconds."""
    if text is None:
        return None
    try:
        return parse_duration(text) / SECOND
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def run(
    config: ConfigPath = DEMO_CONFIG,
    *,
    settings: Settings = [],  # noqa: B006 - typer reads defaults, and never changes them
    run_for: Annotated[
        str | None, typer.Option("--for", metavar="30s", help="Stop after so long.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the run report when it ends.")
    ] = None,
    board: Annotated[bool, typer.Option(help="Serve the board.")] = True,
    address: Address = None,
) -> None:
    """Start the pipeline, serve the board, and run until Ctrl-C."""
    from actors.runner import run_pipeline  # noqa: PLC0415 - Ray takes a second to import

    if not board:
        settings = [*settings, "board.serve=false"]
    code = run_pipeline(
        load_config(config, settings),
        str(config),
        address=address,
        run_for_s=_duration(run_for),
        report_path=report,
    )
    raise typer.Exit(code)


@app.command()
def exchange(  # noqa: PLR0913 - a command's options
    config: ConfigPath = DEMO_CONFIG,
    *,
    settings: Settings = [],  # noqa: B006 - as above
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9443,
    seed: Annotated[int | None, typer.Option(help="Instead of exchange.seed.")] = None,
    speed: Annotated[float, typer.Option(metavar="X", help="Venue seconds in a real one.")] = 1.0,
    replay: Annotated[
        list[str],
        typer.Option(metavar="[SYMBOL=]FILE", help="Serve recorded trades instead; repeatable."),
    ] = [],  # noqa: B006 - as above
    admin: Annotated[bool, typer.Option("--admin", help="Serve /admin, on loopback only.")] = False,
    tls_cert: Annotated[Path | None, typer.Option(metavar="PEM", help="Serve over TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM")] = None,
    connection_life: Annotated[
        str, typer.Option(metavar="24h", help="How long a WebSocket may last.")
    ] = "24h",
) -> None:
    """Serve the built-in exchange alone: Binance's public market data protocol."""
    from actors.exchange.serving import serve_exchange  # noqa: PLC0415 - as above

    life_s = _duration(connection_life) or 0.0
    if life_s < 1:
        raise typer.BadParameter(f"expected a life of at least 1s, found {connection_life}")
    if not 0 < speed < math.inf:
        raise typer.BadParameter(f"expected a speed above 0, found {speed:g}")
    if seed is not None:
        settings = [*settings, f"exchange.seed={seed}"]
    code = serve_exchange(
        load_config(config, settings),
        replay,
        host=host,
        port=port,
        speed=speed,
        admin=admin,
        tls_cert=tls_cert,
        tls_key=tls_key,
        limits=Limits(connection_life_us=round(life_s * SECOND)),
    )
    raise typer.Exit(code)


@app.command()
def batch(  # noqa: PLR0913 - as above
    config: ConfigPath,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="[SYMBOL=]FILE...", help="Dumps, klines or recordings, in any order."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")],
    settings: Settings = [],  # noqa: B006 - as above
    symbol: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="Of every file that is given without one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Parts at a time; else as many as CPUs.")
    ] = None,
    address: Address = None,
    force: Annotated[
        bool, typer.Option("--force", help="Drop what another configuration made in DIR.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run recorded history through the engine; a second run goes on where the first one ended."""
    from actors.batch import run_batch  # noqa: PLC0415 - as above

    code = run_batch(
        load_config(config, settings),
        str(config),
        inputs,
        out=out,
        symbol=symbol,
        workers=workers,
        address=address,
        force=force,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command()
def chaos(
    config: ConfigPath = CHAOS_CONFIG,
    *,
    settings: Settings = [],  # noqa: B006 - as above
    fault: Annotated[
        list[str], typer.Option(metavar="NAME", help="Only this one; repeatable.")
    ] = [],  # noqa: B006 - as above
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the scoreboard as JSON.")
    ] = None,
) -> None:
    """Let everything go wrong on the built-in exchange, and account for every trade."""
    from actors.chaos import run_chaos  # noqa: PLC0415 - as above
    from pipeline.chaos.scenarios import SCENARIOS  # noqa: PLC0415 - as above
    from pipeline.chaos.scoreboard import chosen  # noqa: PLC0415 - as above

    try:
        scenarios = chosen(SCENARIOS, fault)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(run_chaos(load_config(config, settings), str(config), scenarios, report))


@app.command()
def record(
    config: ConfigPath,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")],
    settings: Settings = [],  # noqa: B006 - as above
    run_for: Annotated[
        str | None, typer.Option("--for", metavar="30s", help="Stop after so long.")
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="10m", help="How long a file is; what is lost to kill -9.")
    ] = "10m",
    keep_gb: Annotated[
        float, typer.Option(metavar="GB", help="Beyond it the oldest files are removed.")
    ] = 10.0,
) -> None:
    """Record a live venue: every frame as it came, and the trades for `batch` and `exchange`."""
    from actors.record import run_record  # noqa: PLC0415 - as above

    part_s, most_s = _duration(part) or 0.0, 86_400.0
    if not 1.0 <= part_s <= most_s:
        raise typer.BadParameter(f"expected a part of 1s to 1d, found {part}")
    if not 0 < keep_gb < math.inf:
        raise typer.BadParameter(f"expected more than 0 GB to keep, found {keep_gb:g}")
    code = run_record(
        load_config(config, settings),
        str(config),
        out=out,
        part_us=int(part_s * SECOND),
        keep_bytes=int(keep_gb * 1e9),
        run_for_s=_duration(run_for),
    )
    raise typer.Exit(code)


@app.command()
def check(
    config: ConfigPath,
    *,
    settings: Settings = [],  # noqa: B006 - as above
    live: Annotated[
        bool, typer.Option(help="Ask the venue: the markets of a rule, and price steps.")
    ] = False,
) -> None:
    """Validate a configuration and print what is in effect."""
    from actors.alone import ask_listing  # noqa: PLC0415 - as above

    valid = load_config(config, settings)
    effective = (ask_listing(valid, str(config)).config if live else valid).model_dump(mode="json")
    typer.echo(
        yaml.safe_dump(effective, sort_keys=False, default_flow_style=None, width=100), nl=False
    )


@app.command()
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    address: Address = None,
) -> None:
    """Show the health of the running pipeline."""
    from actors.runner import running_pipeline  # noqa: PLC0415 - as above
    from actors.status import limits_report, status_table  # noqa: PLC0415 - as above

    with running_pipeline(address) as pipeline:
        report, snapshot = pipeline.report(), pipeline.snapshot(sys.maxsize)
        spending = pipeline.spending()
    if as_json:
        typer.echo(json.dumps(report | {"limits": limits_report(spending)}))
    else:
        status_table(report, snapshot, spending)


@app.command()
def explain(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="As on the board.")],
    *,
    directory: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="A batch's results; else what runs now."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    address: Address = None,
) -> None:
    """Recompute an alert from the recorded bars, and show what its score is made of."""
    from actors.explain import run_explain  # noqa: PLC0415 - as above

    raise typer.Exit(run_explain(alert_id, directory=directory, address=address, as_json=as_json))


@app.command()
def thresholds(
    symbol: Annotated[
        str | None, typer.Argument(metavar="[SYMBOL]", help="Whose; else those of all.")
    ] = None,
    *,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Such as enter=7; repeatable.")
    ] = [],  # noqa: B006 - as above
    why: Annotated[str, typer.Option(metavar="TEXT", help="For the audit.")] = "no reason given",
    address: Address = None,
) -> None:
    """Show from which scores the running pipeline alerts, or change them while it runs."""
    from actors.thresholds import run_thresholds  # noqa: PLC0415 - as above

    run_thresholds(symbol, settings, why, address=address)


@app.command()
def stop(*, address: Address = None) -> None:
    """Drain and stop the running pipeline."""
    from actors.runner import stop_pipeline  # noqa: PLC0415 - as above

    stop_pipeline(address)
    typer.echo("stopped")
