"""Packed files, whole, cut off anywhere, and damaged inside."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import ReplayError
from pipeline.recordings.inputs import open_input
from tests.pipeline.recordings.samples import T0_MS, read, write

ROWS = 20_000


def text_of_many_rows() -> str:
    source = random.Random(7)  # noqa: S311 - test data
    return "".join(
        f"{i},{source.randrange(10**6, 10**7)}.5,1.5,{i},{i},{T0_MS + i},True,True\n"
        for i in range(ROWS)
    )


def zipped(text: str, method: int, *, streamed: bool = False) -> bytes:
    """Pack one file; a streamed one tells its size only behind its data."""
    packed = io.BytesIO()
    target = Unseekable(packed) if streamed else packed
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("a.csv", text)
    return packed.getvalue()


class Unseekable:
    """A pipe: the zip writer cannot go back and fill in the header."""

    def __init__(self, target: io.BytesIO) -> None:
        self._target = target

    def write(self, data: bytes) -> int:
        return self._target.write(data)

    def flush(self) -> None:
        pass


TEXT = text_of_many_rows()
PACKED = {
    "gz": ("A-1.csv.gz", gzip.compress(TEXT.encode())),
    "deflated": ("A-1.zip", zipped(TEXT, zipfile.ZIP_DEFLATED)),
    "streamed": ("A-1.zip", zipped(TEXT, zipfile.ZIP_DEFLATED, streamed=True)),
    "stored": ("A-1.zip", zipped(TEXT, zipfile.ZIP_STORED)),
}


@pytest.mark.parametrize("packing", PACKED)
def test_packed_file_reads_whole(tmp_path: Path, packing: str) -> None:
    path = tmp_path / PACKED[packing][0]
    path.write_bytes(PACKED[packing][1])

    found = read(path, "ABCUSDT")

    assert (found.error, found.reasons) == (None, [])
    assert found.rows["trade_id"].to_list() == list(range(ROWS))


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("kept", [0.35, 0.5, 0.77, 0.999])
def test_file_that_is_cut_off_gives_the_rows_before_the_cut(
    tmp_path: Path, packing: str, kept: float
) -> None:
    name, data = PACKED[packing]
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * kept)])

    found = read(path, "ABCUSDT", rows=1_500)

    assert found.error is not None
    assert found.error.startswith(f"{path}: expected a whole file, found it damaged: it ends ")
    assert found.error.endswith(f", after row {found.rows.height}")
    assert found.reasons == []
    assert found.rows["trade_id"].to_list() == list(range(found.rows.height))
    assert found.rows.height == pytest.approx(ROWS * kept, rel=0.1)


WHOLE = PACKED["streamed"][1]
DIRECTORY = WHOLE.index(b"PK\1\2")


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-30],
        # It asks for a version of unpacking that there is not, and names the file in wrong bytes.
        WHOLE[: DIRECTORY + 6] + b"\xff" + WHOLE[DIRECTORY + 7 :],
        WHOLE[: DIRECTORY + 9] + b"\x08" + WHOLE[DIRECTORY + 10 :].replace(b"a.csv", b"\xbdb.cs"),
    ],
)
def test_zip_without_its_directory_gives_every_row_and_says_so(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(data)

    found = read(path, "ABCUSDT")

    assert found.rows.height == ROWS
    assert found.error == (
        f"{path}: expected a whole file, found it damaged: "
        f"the directory at its end cannot be read, after row {ROWS}"
    )


@pytest.mark.parametrize("packing", ["gz", "deflated", "stored"])
def test_damage_inside_gives_the_same_rows_for_any_chunks(tmp_path: Path, packing: str) -> None:
    name, data = PACKED[packing]
    path = tmp_path / name
    broken = bytearray(data)
    middle = len(data) // 2
    broken[middle : middle + 40] = bytes(40)
    path.write_bytes(broken)

    one, other = read(path, "ABCUSDT"), read(path, "ABCUSDT", rows=999)

    assert one.rows["trade_id"].head(8_000).to_list() == list(range(8_000))
    assert one.rows.equals(other.rows)
    assert one.rejected.equals(other.rejected)
    assert one.error is not None
    assert one.error == other.error


def test_gzip_members_that_follow_each_other_are_one_file(tmp_path: Path) -> None:
    first, second = TEXT[:100_003], TEXT[100_003:]
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(first.encode()) + gzip.compress(second.encode()) + bytes(512))

    found = read(path, "ABCUSDT")

    assert (found.rows.height, found.error) == (ROWS, None)


def test_zip_of_two_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", TEXT)
        archive.writestr("b.csv", TEXT)

    with pytest.raises(ReplayError, match=r"a\.zip: expected one file inside, found 2"):
        open_input(path, "ABCUSDT")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", b"not a zip at all, but long enough to have a header", "does not start as a zip"),
        ("a.zip", b"PK\3\4", "does not start as a zip"),
        ("a.zip", zipped(TEXT, zipfile.ZIP_BZIP2), "neither deflated nor stored"),
        ("a.csv.gz", b"not gzip", "incorrect header"),
        ("a.csv.gz", PACKED["gz"][1][:5], "it ends before its compressed data does"),
    ],
)
def test_file_that_cannot_be_unpacked_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(ReplayError, match=f"{name}: expected a whole file, .*{said}"):
        open_input(path, "ABCUSDT")


def test_directory_with_the_name_of_a_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(ReplayError, match="Is a directory"):
        open_input(tmp_path / "a.csv", "ABCUSDT")


@pytest.mark.parametrize(("name", "start"), [("a.csv.gz", "1"), ("a.json.gz", '[{"a":')])
def test_text_without_ends_is_refused_before_it_is_held(
    tmp_path: Path, name: str, start: str
) -> None:
    path = write(tmp_path, name, start + "1" * 5_000_000)
    with pytest.raises(ReplayError, match="expected rows, found one of over 1048576 bytes"):
        open_input(path, "ABCUSDT")
