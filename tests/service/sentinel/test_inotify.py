"""What only inotify can lose: a full queue, watches that are used up, many directories."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sentinel.inotify import Inotify
from tests.service.sentinel.watching import Watching


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    source = Inotify()
    try:
        one = Watching(source, tmp_path)
        one.watch()
        yield one
    finally:
        source.close()


@pytest.mark.long
def test_a_full_queue_is_said_and_what_was_made_meanwhile_is_watched(watching: Watching) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    flood = watching.base / "flood"
    flood.mkdir()
    watching.settle()
    for number in range(most // 2 + 1000):
        (flood / str(number)).touch()
    (watching.base / "unseen/deep").mkdir(parents=True)
    watching.until_gap("", f"queue was full (fs.inotify.max_queued_events={most})")
    watching.until_gap("", "all is watched again")
    (watching.base / "unseen/deep/file").write_bytes(b"x")
    watching.until(("unseen/deep/file", "created"))
    assert len(watching.gaps()) == 2


def test_the_reader_wakes_for_what_watching_another_root_told(watching: Watching, tmp_path: Path) -> None:
    watching.settle()
    (tmp_path / "before").touch()
    for number in range(300):
        (tmp_path.parent / f"{tmp_path.name}-other" / str(number)).mkdir(parents=True)
    watching.source.watch(os.fsencode(tmp_path.parent / f"{tmp_path.name}-other"))  # This empties the kernel's queue.
    watching.until(("before", "created"))


LIMITED = """
import json, os, sys
from service.sentinel.event import Gap, WatchLimit
from service.sentinel.inotify import Inotify
root = sys.argv[1]
for number in range(60):
    os.makedirs(f"{root}/many/{number}")
os.mkdir(f"{root}/few")
with open("/proc/sys/user/max_inotify_watches", "w") as file:
    file.write("30")
source = Inotify()
source.watch(os.fsencode(f"{root}/few"))
raised = ""
try:
    source.watch(os.fsencode(f"{root}/many"))
except WatchLimit as error:
    raised = str(error)
first = [one.why for one in source.read() if isinstance(one, Gap)]
open(f"{root}/few/file", "w").close()
os.makedirs(f"{root}/few/new")
told = source.read()
print(json.dumps([raised, first, [os.fsdecode(one.path) for one in told if not isinstance(one, Gap)],
    [[os.fsdecode(one.root), one.why] for one in told if isinstance(one, Gap)]]))
"""


def test_used_up_watches_are_said_with_the_setting_to_raise(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    raised, first, paths, gaps = json.loads(done.stdout)
    assert "fs.inotify.max_user_watches=" in raised
    assert "next: raise it" in raised
    assert raised in first
    assert f"{tmp_path}/few/file" in paths, "what is watched is still told"
    assert [f"{tmp_path}/few/new", raised] in gaps


def test_it_says_when_no_more_instances_are_given() -> None:
    code = """
from service.sentinel.inotify import Inotify
from service.sentinel.event import WatchLimit
open("/proc/sys/user/max_inotify_instances", "w").write("0")
try:
    Inotify()
except WatchLimit as error:
    print(error)
"""
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert "fs.inotify.max_user_instances=" in done.stdout


def test_a_directory_moved_away_gives_its_watches_back(
    watching: Watching, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def held() -> int:
        return Path(f"/proc/self/fdinfo/{watching.source._inotify.fileno()}").read_text().count("inotify wd:")  # type: ignore[attr-defined]

    for number in range(20):
        (watching.base / f"old/{number}/deep").mkdir(parents=True)
    watching.settle()
    before = held()
    os.rename(watching.base / "old", tmp_path_factory.mktemp("away") / "old")
    end = time.monotonic() + 5
    while held() > before - 41:
        assert time.monotonic() < end
        watching.settle()
    assert held() == before - 41


@pytest.mark.long
def test_a_hundred_thousand_directories_in_little_memory(tmp_path: Path) -> None:
    for number in range(100):
        for inner in range(1000):
            (tmp_path / str(number) / f"directory{inner}").mkdir(parents=True)
    code = """
import sys
from service.sentinel.inotify import Inotify
from pathlib import Path
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
source, before = Inotify(), resident()
source.watch(sys.argv[1].encode())
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 25  # Megabytes. How long it takes the bench measures.
