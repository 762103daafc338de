"""The output directory on a disk that does not do what it is told."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from pipeline.batch.folder import BatchFolder
from pipeline.errors import OutputError
from tests.pipeline.batch.histories import CONFIG


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    folder = BatchFolder(tmp_path / "out")
    folder.open()
    return folder


def test_folder_on_a_full_disk_names_the_file_and_leaves_the_one_before(
    folder: BatchFolder,
) -> None:
    path = folder.path / "alerts.parquet"
    with folder.writing(path) as temporary:
        pl.DataFrame({"x": [1]}).write_parquet(temporary)
    before = path.read_bytes()
    much = pl.DataFrame({"x": range(100_000)})
    with (
        pytest.raises(OutputError, match=rf"^{path}: expected to write here: .*File too large"),
        files_of_at_most(10_000),
        folder.writing(path) as temporary,
    ):
        much.write_parquet(temporary, compression="uncompressed")
    assert path.read_bytes() == before
    folder.sweep([])  # what the failed write left goes with the next run
    assert not list((folder.path / ".parts" / "temporary").iterdir())


def test_folder_with_something_in_the_way_of_a_sweep_names_the_place(folder: BatchFolder) -> None:
    (folder.path / "summary.json").mkdir()
    with pytest.raises(OutputError, match=rf"^{folder.path}: expected to write here: "):
        folder.sweep([])


def test_folder_with_something_in_the_way_of_a_new_start_names_the_place(
    folder: BatchFolder,
) -> None:
    folder.claim(CONFIG, force=False)
    (folder.path / ".parts" / "symbol=A").write_text("in the way")
    with pytest.raises(OutputError, match=rf"^{folder.path / '.parts'}: expected to write here: "):
        folder.claim(CONFIG, force=True)
