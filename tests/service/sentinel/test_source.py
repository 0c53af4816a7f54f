"""Which source is taken, and what is said about it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.sentinel.configuration import Configuration
from service.sentinel.source import Both, chosen
from tests.service.sentinel.watching import Watching, mounted


def test_fanotify_is_taken_where_it_works(tmp_path: Path) -> None:
    source, why = chosen(Configuration(sets=()), tmp_path)
    source.close()
    assert source.name == "fanotify"
    assert why.startswith("fanotify: ")
    assert list(tmp_path.iterdir()) == []


def test_inotify_is_taken_where_the_settings_say_so(tmp_path: Path) -> None:
    source, why = chosen(Configuration(sets=(), source="inotify"), tmp_path)
    source.close()
    assert (source.name, why) == ("inotify", "inotify, as the settings say")


@pytest.mark.parametrize(("wanted", "said"), [("auto", "not fanotify"), ("fanotify", "although the settings ask")])
def test_without_the_rights_it_is_inotify_and_said_so(tmp_path: Path, wanted: str, said: str) -> None:
    code = f"""
from service.sentinel.configuration import Configuration
from service.sentinel.source import chosen
source, why = chosen(Configuration(sets=(), source={wanted!r}))
print(source.name, why)
"""
    command = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.startswith("inotify inotify, ")
    assert said in done.stdout
    assert "Operation not permitted" in done.stdout


def test_a_place_that_cannot_be_marked_is_no_proof(tmp_path: Path) -> None:
    with mounted(tmp_path / "ram", "-t", "ramfs", "none"):
        source, why = chosen(Configuration(sets=()), tmp_path / "ram")
    source.close()
    assert source.name == "inotify"
    assert "ramfs" in why


def test_roots_that_fanotify_cannot_mark_are_watched_by_inotify(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with mounted(tmp_path / "ram", "-t", "ramfs", "none"):
        source, _why = chosen(Configuration(sets=()), tmp_path / "disk")
        try:
            assert isinstance(source, Both)
            watching = Watching(source, tmp_path)
            watching.watch("ram")
            watching.watch("disk")
            assert list(source.by_inotify) == [os.fsencode(tmp_path / "ram")]
            (tmp_path / "ram/deep").mkdir()
            (tmp_path / "disk/file").touch()
            watching.until(("ram/deep", "created"), ("disk/file", "created"))
            (tmp_path / "ram/deep/file").touch()
            watching.until(("ram/deep/file", "created"))
            source.forget(os.fsencode(tmp_path / "ram"))
            (tmp_path / "ram/quiet").touch()
            (tmp_path / "disk/loud").touch()
            watching.until(("disk/loud", "created"))
            assert ("ram/quiet", "created") not in watching.told()
        finally:
            source.close()


def test_a_root_that_becomes_unmarkable_goes_on_by_inotify_and_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    source, _why = chosen(Configuration(sets=()), tmp_path)
    try:
        assert isinstance(source, Both)
        watching = Watching(source, tmp_path)
        watching.watch("root")
        with mounted(tmp_path / "root", "-t", "ramfs", "none"):
            watching.until_gap("root", "watched by inotify from here on")
            (tmp_path / "root/file").touch()
            watching.until(("root/file", "created"))
    finally:
        source.close()
