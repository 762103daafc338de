"""`python -m tests.clients`: clients of others, as they are, read the built-in exchange.

Each has an environment of its own under build/clients, made from its pinned list, and an exchange
of its own that replays the same tape. What the client made of it has to be what was issued: every
trade of the stream, the same trades over REST, and the book after the last one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path
from typing import Any

from pipeline.market import SyntheticMarket
from tests.commands import ROOT, Command

HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / "build" / "clients"

#: Each is in `requirements/NAME.txt` and read by `read_with_NAME.py`.
CLIENTS = ("binance-connector", "binance-sdk-spot", "ccxt", "python-binance")

SYMBOL = "BTCUSDT"
SECONDS = 15
TRADES_PER_S = 40.0
START_US = 1_700_000_040_000_000
LIMIT_S = 180


def main() -> int:
    """Check the clients that are named, or all; return 1 if one of them read something else."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("clients", nargs="*", choices=[[], *CLIENTS], metavar="CLIENT")
    names = parser.parse_args().clients or CLIENTS
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        tape = write_tape(Path(folder))
        for name in names:
            problems = check(name, tape, Path(folder))
            failed += bool(problems)
            for line in problems or ["reads what was issued"]:
                sys.stdout.write(f"{name}: {line}\n")
    sys.stdout.write(f"{len(names) - failed} passed, {failed} failed\n")
    return 1 if failed else 0


def write_tape(folder: Path) -> Path:
    """Write the trades that are replayed, as a public dump."""
    market = SyntheticMarket(
        [SYMBOL], seed=4, start_us=START_US, trades_per_s=TRADES_PER_S, history_us=0
    )
    trades = market.advance(START_US + SECONDS * 1_000_000)[SYMBOL]
    path = folder / f"{SYMBOL}-aggTrades-2023-11-14.csv"
    path.write_text(
        "".join(
            f"{number},{price / 1e8:.8f},{quantity / 1e8:.8f},{first},{last},{time // 1000},"
            f"{bool(maker)},True\n"
            for number, first, last, time, price, quantity, maker in trades.columns.T.tolist()
        )
    )
    return path


def check(name: str, tape: Path, folder: Path) -> list[str]:
    """Return in what a client differs from the exchange that it read."""
    python = environment(name)
    count = len(tape.read_text().splitlines())
    log = folder / f"{name}.log"
    exchange = Command("exchange", "--replay", str(tape), "--admin", "--port", "0", log=log)
    try:
        urls = exchange.line_with("exchange: ").split()[1:]
        reader = HERE / f"read_with_{name.replace('-', '_')}.py"
        run = subprocess.run(  # noqa: S603 - our own program
            [str(python), str(reader), *urls, SYMBOL, str(count)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if run.returncode != 0:
            return [f"ended with {run.returncode}: {run.stderr.strip()[-2000:]}"]
        return differences(json.loads(run.stdout.splitlines()[-1]), urls[1])
    finally:
        exchange.end()


def differences(said: dict[str, Any], rest_url: str) -> list[str]:
    """Compare what a client said with the exchange's ledger, and with its book."""
    ledger = get(f"{rest_url}/admin/ledger")[SYMBOL]
    problems = []
    for part in ("streamed", "served"):
        rows = said[part]
        issued = list(range(ledger["first_id"], ledger["last_id"] + 1))
        if [row[0] for row in rows] != issued:
            problems.append(f"{part}: expected ids 1 to {issued[-1]}, found {len(rows)} others")
        elif hash_of(rows) != ledger["sha256"]:
            problems.append(f"{part}: expected the hash {ledger['sha256']}, found {hash_of(rows)}")
    book = get(f"{rest_url}/api/v3/depth?symbol={SYMBOL}&limit=5000")
    for side in ("bids", "asks"):
        found = said[side]
        if len(found) < 20 or found != book[side][: len(found)]:
            problems.append(f"{side}: expected {book[side][:3]}..., found {found[:3]}...")
    return problems


def hash_of(rows: list[list[Any]]) -> str:
    """Return the hash of trades as the ledger takes it."""
    lines = (
        f"{number},{price},{quantity},{time_ms},{'true' if maker else 'false'}\n"
        for number, price, quantity, time_ms, maker in rows
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def get(url: str) -> Any:  # noqa: ANN401 - JSON
    """Return what the exchange answers."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def environment(name: str) -> Path:
    """Return the Python of a client's environment; make it where its list is new."""
    wanted = HERE / "requirements" / f"{name}.txt"
    folder = ENVIRONMENTS / name
    made = folder / "made-from.txt"
    python = folder / "bin" / "python"
    if not made.exists() or made.read_bytes() != wanted.read_bytes():
        venv.create(folder, clear=True, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        exact = ["--require-hashes", "--no-deps", "-r", str(wanted)]
        subprocess.run([str(python), *install, *exact], check=True)  # noqa: S603 - as above
        made.write_bytes(wanted.read_bytes())
    return python


if __name__ == "__main__":
    sys.exit(main())
