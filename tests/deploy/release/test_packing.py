"""Packing: the same members give the same bytes, and nothing of the machine shows."""

import hashlib
import io
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploy.release.packing import EPOCH, Member, pack

names = some.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,3}\.py", fullmatch=True)


def member(path: str, content: bytes, mode: int = 0o644) -> Member:
    return Member(path, mode, len(content), lambda: io.BytesIO(content))


@pytest.mark.long
@given(some.dictionaries(names, some.binary(max_size=2000), min_size=1, max_size=8), some.randoms())
def test_order_does_not_matter_and_everything_arrives(files: dict[str, bytes], random: object) -> None:
    members = [member(path, content) for path, content in files.items()]
    with TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        digest = pack(members, first)
        random.shuffle(members)  # type: ignore[attr-defined]
        assert pack(members, second) == digest == hashlib.sha256(first.read_bytes()).hexdigest()
        with tarfile.open(first) as tar:
            found = {entry.name: tar.extractfile(entry) for entry in tar if entry.isfile()}
            assert {name: file.read() for name, file in found.items() if file} == files


def test_every_entry_is_roots_and_of_the_same_time(tmp_path: Path) -> None:
    pack([member("opt/bin/run", b"#!", 0o755), member("opt/data", b"1")], tmp_path / "tar")
    with tarfile.open(tmp_path / "tar") as tar:
        entries = {entry.name: entry for entry in tar}
    assert list(entries) == ["opt", "opt/bin", "opt/bin/run", "opt/data"]
    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries.values()} == {(0, 0, "", EPOCH)}
    assert [entry.mode for entry in entries.values()] == [0o755, 0o755, 0o755, 0o644]
