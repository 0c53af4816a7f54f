"""Turned-over logs: sealed where the file system can, removed when they are too old or too much, and nothing else."""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.ledger import Ledger
from service.ledger.__main__ import main
from service.ledger.retention import crowded, remove, seal

KB = 1 << 10


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small ext4 of its own: immutable files outlive a test otherwise."""
    whole, place = tmp_path_factory.mktemp("whole") / "disk.ext4", tmp_path_factory.mktemp("disk")
    with whole.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(whole)], check=True)
    done = subprocess.run(["mount", "-o", "loop", str(whole), str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no loop device here: {done.stderr}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def place(disk: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    made = disk / request.node.name[:40]
    (made / "vision").mkdir(parents=True)
    (made / "proxy").mkdir()
    yield made
    subprocess.run(["chattr", "-R", "-f", "-i", str(made)], check=False)


def put(path: Path, kilobytes: int, age: int) -> Path:
    path.write_bytes(os.urandom(kilobytes * KB))
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return path


def flags(path: Path) -> str:
    return subprocess.run(["lsattr", str(path)], capture_output=True, text=True, check=True).stdout.split()[0]


def names(place: Path) -> set[str]:
    return {path.name for path in place.glob("*/*")}


def test_packed_files_are_sealed_and_all_others_go_on(place: Path) -> None:
    log = place / "vision" / "audit.jsonl"
    ledger = Ledger(log)
    ledger.append({"n": 0})
    packed = put(place / "vision" / "audit.jsonl-20261123-080000.gz", 4, 20)
    under_way = put(place / "vision" / "audit.jsonl-20261124-080000.gz", 4, 10)
    put(place / "vision" / "audit.jsonl-20261124-080000", 4, 10)
    assert seal(place) == []
    assert "i" in flags(packed)
    assert "i" not in flags(under_way), "logrotate still packs it"
    for change in (lambda: packed.write_bytes(b"x"), packed.unlink, lambda: packed.rename(f"{packed}.x")):
        with pytest.raises(PermissionError):
            change()
    with log.open("ab") as file:
        file.write(b'{"seq":')
    assert Ledger(log).append({"n": 1}) == 1, "a torn line can still be removed from the live log"
    os.rename(log, log.with_name("audit.jsonl-20261125-080000"))
    assert ledger.append({"n": 2}) == 2


def test_the_control_a_live_log_that_is_append_only_could_not_lose_a_torn_line(place: Path) -> None:
    """Why `chattr +a` is not used: the log would take no line any more."""
    log = place / "vision" / "audit.jsonl"
    ledger = Ledger(log)
    ledger.append({"n": 0})
    subprocess.run(["chattr", "+a", str(log)], check=True)
    try:
        ledger.append({"n": 1})
        with log.open("ab") as file:
            file.write(b'{"seq":')
        with pytest.raises(Exception, match="not permitted"):
            ledger.append({"n": 2})
        with pytest.raises(PermissionError):
            log.rename(f"{log}.1")
    finally:
        subprocess.run(["chattr", "-a", str(log)], check=True)


def test_too_many_files_of_a_log_go_the_oldest_first_sealed_or_not(place: Path) -> None:
    for day in range(1, 6):
        put(place / "vision" / f"audit.jsonl-2026110{day}-080000.gz", 4, 100 - day)
    put(place / "proxy" / "error.log.1", 4, 500)
    seal(place)
    removed, _ = remove(place, keep=3, most=1 << 30)
    assert [Path(one.path).name for one in removed] == [
        "audit.jsonl-20261101-080000.gz",
        "audit.jsonl-20261102-080000.gz",
    ]
    assert {one.why for one in removed} == {"keep"}
    assert "error.log.1" in names(place)


def test_too_much_goes_from_the_largest_log_and_never_a_live_one(place: Path) -> None:
    put(place / "vision" / "audit.jsonl", 40, 0)
    put(place / "vision" / "audit.jsonl-20261101-080000", 40, 900)
    for day in range(1, 6):
        put(place / "proxy" / f"access.jsonl-2026110{day}-080000.gz", 60, 100 - day)
    seal(place)
    removed, left = remove(place, keep=90, most=250 * KB)
    assert [Path(one.path).name for one in removed] == [f"access.jsonl-2026110{day}-080000.gz" for day in (1, 2, 3)]
    assert left <= 250 * KB
    removed, left = remove(place, keep=90, most=1)
    assert names(place) == {"audit.jsonl"}
    assert left == 40 * KB


@pytest.fixture
def room(disk: Path) -> Iterator[int]:
    """Kilobytes of the disk, which is empty before and after."""
    yield shutil.disk_usage(disk).total // KB
    for path in disk.iterdir():
        if path.is_file():
            path.unlink()


def test_a_directory_that_is_a_file_system_keeps_a_quarter_free(disk: Path, room: int) -> None:
    place = disk.parent
    put(disk / "audit.jsonl", 900, 0)
    for day in range(1, 5):
        put(disk / f"audit.jsonl-2026110{day}-080000.gz", room // 5, 100 - day)
    [removed], _ = remove(place, keep=90, most=1 << 40)
    assert (Path(removed.path).name, removed.why) == ("audit.jsonl-20261101-080000.gz", "room")
    assert crowded(place) == []
    put(disk / "junk", shutil.disk_usage(disk).free // KB - room // 20, 0)
    assert remove(place, keep=90, most=1 << 40)[0] == [], "what is no log drives no log out"
    assert crowded(place) == [str(disk)]


def test_a_live_log_that_took_the_quarter_gets_it_back(disk: Path, room: int) -> None:
    """Else logrotate could never pack the file before it, nor turn the live one over: full for ever."""
    put(disk / "audit.jsonl-20261101-080000.gz", room * 4 // 10, 100)
    put(disk / "audit.jsonl-20261102-080000", room * 3 // 10, 50)
    put(disk / "audit.jsonl", shutil.disk_usage(disk).free // KB - 64, 0)
    [removed], _ = remove(disk.parent, keep=90, most=1 << 40)
    assert (Path(removed.path).name, removed.why) == ("audit.jsonl-20261101-080000.gz", "room")
    assert shutil.disk_usage(disk).free // KB > room // 4


def test_another_log_s_live_file_drives_out_nothing_of_this_one(disk: Path, room: int) -> None:
    """Who takes a container over could otherwise remove what it had logged, by one large file with a log's name."""
    put(disk / "audit.jsonl-20261101-080000.gz", room // 10, 100)
    put(disk / "evil.jsonl", room * 7 // 10, 0)
    assert remove(disk.parent, keep=90, most=1 << 40)[0] == []
    put(disk / "evil.jsonl-20261102-080000", room // 10, 50)
    assert [Path(one.path).name for one in remove(disk.parent, keep=90, most=1 << 40)[0]] == [
        "evil.jsonl-20261102-080000"
    ]


def test_nothing_but_turned_over_logs_is_ever_removed(place: Path) -> None:
    secret = put(place / "secret", 4, 0)
    (place / "vision" / "audit.jsonl-20261101-080000").symlink_to(secret)
    (place / "vision" / "audit.jsonl-20261101-080001").mkdir()
    os.mkfifo(place / "vision" / "audit.jsonl-20261101-080002.gz")
    put(place / "vision" / "junk", 100, 0)
    put(place / "vision" / "audit.jsonl.head", 1, 0)
    (place / "elsewhere").symlink_to(place / "vision")
    before = names(place)
    assert seal(place) == []
    removed, left = remove(place, keep=1, most=1)
    assert (removed, names(place), left >= 100 * KB) == ([], before, True)


def test_what_has_a_second_name_is_not_sealed(place: Path) -> None:
    """The owner of a directory could otherwise have root seal a file of his elsewhere."""
    packed = put(place / "vision" / "audit.jsonl-20261101-080000.gz", 4, 0)
    os.link(packed, place / "second")
    assert seal(place) == [str(packed)]
    assert "i" not in flags(packed)


def test_the_command_tells_the_journal_what_went(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = place / "vision" / "audit.jsonl"
    for day in (1, 2, 3):
        Ledger(log).append({"day": day})
        content = log.read_bytes()
        log.unlink()
        turned_over = log.with_name(f"audit.jsonl-2026110{day}-080000.gz")
        turned_over.write_bytes(gzip.compress(content))
        os.utime(turned_over, (day, day))
    journal = place.parent / "journal.jsonl"
    arguments = ["retain", "--keep", "1", "--most", "1000000", "--journal", str(journal), str(place)]
    assert main(arguments) == 0
    assert "removed" in capsys.readouterr().out
    [line] = [json.loads(raw) for raw in journal.read_bytes().splitlines()]
    assert line["event"] == "logs_removed"
    assert [(Path(one["path"]).name[-18:], one["first"]) for one in line["files"]] == [
        ("20261101-080000.gz", 0),
        ("20261102-080000.gz", 1),
    ]
    assert main(arguments) == 0
    assert len(journal.read_bytes().splitlines()) == 1, "nothing to do, nothing to say"
    put(place / "vision" / "junk", 2000, 0)
    assert main(arguments) == 1
    assert "no turned-over file is left" in capsys.readouterr().err


def test_a_file_system_without_the_attribute_loses_nothing(tmp_path: Path) -> None:
    """`ramfs` knows no attributes: files are said to be unsealed, and are removed all the same."""
    done = subprocess.run(["mount", "-t", "ramfs", "none", str(tmp_path)], capture_output=True)
    if done.returncode:
        pytest.skip("no ramfs here")
    try:
        (tmp_path / "vision").mkdir()
        packed = put(tmp_path / "vision" / "audit.jsonl-20261101-080000.gz", 4, 1)
        put(tmp_path / "vision" / "audit.jsonl-20261102-080000.gz", 4, 0)
        assert len(seal(tmp_path)) == 2
        remove(tmp_path, keep=1, most=1 << 30)
        assert not packed.exists()
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
