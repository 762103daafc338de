"""The output directory: where things lie in it, and what makes it safe to be killed.

    bars/symbol=S/date=D/part-00003-000.parquet    rows of the day that part 3 of the symbol made
    features/...                                   likewise, row for row
    alerts.parquet rejected.parquet summary.json   of the whole, written last
    .parts/symbol=S/00003.json                     part 3 is done: its key, its report, its files
    .parts/symbol=S/00003.*.arrow                  the state after it, its alerts, its rejected rows

Every file is written under a temporary name and renamed, a part's marker last. What no marker
names is a leftover of a run that was stopped, and is removed when the next one starts.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from polars.exceptions import ComputeError

from pipeline.batch.fingerprint import config_digest
from pipeline.batch.report import FileReport  # noqa: TC001 - msgspec reads the annotations
from pipeline.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from pipeline.batch.plan import Part
    from pipeline.config import Config

#: Tables of Hive partitions.
TABLES = ("bars", "features")

#: What a part leaves beside its marker.
STATE, ALERTS, REJECTED = "state", "alerts", "rejected"

ALERTS_FILE, REJECTED_FILE, SUMMARY_FILE = "alerts.parquet", "rejected.parquet", "summary.json"


def partition(symbol: str) -> str:
    """Return the directory of a symbol; readers of Hive partitions undo the escape."""
    return f"symbol={symbol.replace('/', '%2F')}"


class PartRecord(msgspec.Struct):
    """The marker of a finished part.

    Attributes:
        key: Of the part, see `Part.key`.
        report: What its rows showed.
        counts: The symbol's counts up to here, as in HEALTH.
        survey: What the survey of the next part starts from.
        last_close: Of the newest bar; null for none.
        files: Paths it has written, relative to the directory, and their sizes in bytes.
    """

    key: str
    report: FileReport
    counts: dict[str, int | float | None]
    survey: list[int]
    last_close: float | None
    files: dict[str, int]


class RunRecord(msgspec.Struct):
    """Whose results a directory has.

    Attributes:
        config_digest: Over what matters to the output.
        config: All of it, as it can be read again.
    """

    config_digest: str
    config: dict[str, Any]


class BatchFolder:
    """An output directory.

    Args:
        path: Where it is, the same for every machine that works on it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts = path / ".parts"
        self._temporary = self._parts / "temporary"
        self._run = self._parts / "run.json"

    @property
    def lock_path(self) -> Path:
        """The file that a run locks while it works here."""
        return self._parts / "lock"

    def open(self) -> None:
        """Make the directory, or see that it is one of ours.

        Raises:
            ConfigError: It holds something else.
        """
        place = f"--out {self.path}"
        try:
            if not self._parts.is_dir() and self.path.is_dir() and any(self.path.iterdir()):
                raise ConfigError(
                    place, ["expected a new directory or one of a batch, found files"]
                )
            self._temporary.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(place, [f"expected a directory to write to: {error}"]) from error

    def claim(self, config: Config, *, force: bool) -> None:
        """Take the directory for a configuration.

        Args:
            config: What the output is computed with.
            force: Drop what another configuration made.

        Raises:
            ConfigError: Another configuration made it.
            OutputError: It cannot be written to.
        """
        digest = config_digest(config)
        if self._run.exists():
            found = self._digest_of_results()
            if found != digest and not force:
                problem = (
                    f"expected results of configuration {digest}, found those of "
                    f"{found}: take another directory, or --force to start anew"
                )
                raise ConfigError(f"--out {self.path}", [problem])
            if force:
                with _changing(self._parts):
                    for markers in self._parts.glob("symbol=*"):
                        shutil.rmtree(markers)
        record = RunRecord(digest, config.model_dump(mode="json"))
        with self.writing(self._run) as temporary:
            temporary.write_bytes(msgspec.json.encode(record))

    def claimed_by(self) -> RunRecord:
        """Return whose results are here."""
        return msgspec.json.decode(self._run.read_bytes(), type=RunRecord)

    def _digest_of_results(self) -> str:
        try:
            return self.claimed_by().config_digest
        except msgspec.MsgspecError:
            return "a damaged record"

    def keep(self, symbols: Collection[str]) -> None:
        """See that a plan drops no results of symbols that it is not of.

        Args:
            symbols: Of the plan.

        Raises:
            ConfigError: It does.
        """
        planned = {partition(symbol) for symbol in symbols}
        dropped = sorted(
            {
                marker.parent.name.removeprefix("symbol=")
                for marker in self._parts.glob("symbol=*/*.json")
                if marker.parent.name not in planned
            }
        )
        if dropped:
            problem = (
                f"expected the inputs of {', '.join(dropped)} too, whose results are here: give "
                "them, take another directory, or --force to drop what is here"
            )
            raise ConfigError(f"--out {self.path}", [problem])

    def record(self, part: Part) -> PartRecord | None:
        """Return the record of a part that is done, with all its files there and none cut."""
        try:
            record = self.record_at(part.symbol, part.number)
        except (FileNotFoundError, msgspec.MsgspecError):  # not done, or the disk was not
            return None
        files = [(self.path / name, size) for name, size in record.files.items()]
        whole = all(path.is_file() and path.stat().st_size == size for path, size in files)
        return record if whole and record.key == part.key else None

    def record_at(self, symbol: str, number: int) -> PartRecord:
        """Return the record of a part that is known to be done."""
        return msgspec.json.decode(self._marker(symbol, number).read_bytes(), type=PartRecord)

    def sweep(self, done: Collection[Part]) -> None:
        """Remove what is not of finished parts.

        Args:
            done: The finished parts of the plan.

        Raises:
            OutputError: It cannot be written to.
        """
        with _changing(self.path):
            self._sweep(done)

    def _sweep(self, done: Collection[Part]) -> None:
        for name in (SUMMARY_FILE, ALERTS_FILE, REJECTED_FILE):
            (self.path / name).unlink(missing_ok=True)
        wanted = {self._marker(part.symbol, part.number) for part in done}
        for marker in self._parts.glob("symbol=*/*.json"):
            if marker not in wanted:
                marker.unlink()
        named = {
            self.path / name
            for part in done
            for name in self.record_at(part.symbol, part.number).files
        }
        of_parts = [path for path in self._parts.glob("symbol=*/*.arrow") if path not in named]
        of_tables = [
            path
            for table in TABLES
            for path in self.path.glob(f"{table}/symbol=*/date=*/part-*.parquet")
            if path not in named
        ]
        for path in (*of_parts, *of_tables, *self._temporary.iterdir()):
            path.unlink()

    def part_file(self, symbol: str, number: int, what: str) -> Path:
        """Return the path of one of `STATE`, `ALERTS`, `REJECTED` of a part."""
        return self._parts / partition(symbol) / f"{number:05d}.{what}.arrow"

    def finish(self, part: Part, record: PartRecord) -> None:
        """Write the marker of a part: it is done."""
        with self.writing(self._marker(part.symbol, part.number)) as temporary:
            temporary.write_bytes(msgspec.json.encode(record))

    @contextmanager
    def writing(self, path: Path) -> Iterator[Path]:
        """Yield a temporary path to write to; afterwards it is renamed to `path`.

        Raises:
            OutputError: It cannot be written; `path` is as it was.
        """
        # A worker that outlives its run for a moment must not meet the next run's.
        temporary = self._temporary / f"{os.getpid()}-{path.parent.name}-{path.name}"
        with _changing(path):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())  # or a power cut may leave a name without its content
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)

    def _marker(self, symbol: str, number: int) -> Path:
        return self._parts / partition(symbol) / f"{number:05d}.json"


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Tell of a disk that does not do it with the place it is about."""
    try:
        yield
    except (OSError, ComputeError) as error:  # the latter is Polars' on a full disk
        raise OutputError(f"{path}: expected to write here: {error}") from error
