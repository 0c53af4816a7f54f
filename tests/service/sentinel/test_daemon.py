"""The daemon as a process against real changes of files."""

from __future__ import annotations

import mmap
import os
import shutil
from pathlib import Path

import pytest

from tests.service.sentinel.figures import samples
from tests.service.sentinel.running import Sentinel, until

pytestmark = pytest.mark.long


def test_a_webshell_is_alerted_at_once_with_the_right_words(seeing: Sentinel) -> None:
    shell = seeing.watched / "shell.php"
    shell.write_text("<?php system($_GET[0]);")
    line = seeing.alerted(shell, "created")
    assert (line["severity"], line["set"], line["found_by"]) == ("critical", "web", "event")
    seeing.true()


def test_what_changes_by_no_content_is_alerted(seeing: Sentinel) -> None:
    index, deep = seeing.watched / "index.php", seeing.watched / "deep/file"
    index.chmod(0o4755)
    assert seeing.alerted(index, "changed")["differs"] == ["mode"]
    os.chown(deep, 33, 33)
    assert seeing.alerted(deep, "changed")["differs"] == ["uid", "gid"]
    seen = len(seeing.lines())
    os.setxattr(deep, "user.note", b"x")
    assert seeing.wait(lambda line: line.get("differs") == ["attributes"], seen)
    os.utime(index, (1, 1))
    assert seeing.wait(lambda line: line.get("differs") == ["mtime"], seen)
    seeing.true()


def test_moves_are_alerted_at_both_ends(seeing: Sentinel, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("from outside")
    (tmp_path / "outside").rename(seeing.watched / "moved")
    seeing.alerted(seeing.watched / "moved", "created")
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/leaf").write_text("leaf")
    (tmp_path / "tree").rename(seeing.watched / "tree")
    seeing.alerted(seeing.watched / "tree/sub/leaf", "created")
    (seeing.watched / "deep").rename(seeing.watched / "elsewhere")
    seeing.alerted(seeing.watched / "deep/file", "removed")
    seeing.alerted(seeing.watched / "elsewhere/file", "created")
    seeing.true()


def test_a_rename_over_and_a_hard_link_are_alerted(seeing: Sentinel, tmp_path: Path) -> None:
    index = seeing.watched / "index.php"
    (tmp_path / "new").write_text("not one")
    (tmp_path / "new").rename(index)
    assert "sha256" in seeing.alerted(index, "changed")["differs"]
    (tmp_path / "other").write_text("linked")
    os.link(tmp_path / "other", seeing.watched / "hard")
    seeing.alerted(seeing.watched / "hard", "created")
    seeing.true()


def test_deletions_are_alerted_one_by_one(seeing: Sentinel) -> None:
    shutil.rmtree(seeing.watched / "deep")
    seeing.alerted(seeing.watched / "deep/file", "removed")
    seeing.alerted(seeing.watched / "deep", "removed")
    seeing.true()


def test_a_link_is_looked_at_and_never_followed(seeing: Sentinel, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("elsewhere")
    (seeing.watched / "link").unlink()
    (seeing.watched / "link").symlink_to(tmp_path / "secret")
    until(lambda: any(a.get("after", {}).get("target") == str(tmp_path / "secret") for a in seeing.alerts()))
    shutil.rmtree(seeing.watched / "deep")
    (seeing.watched / "deep").symlink_to(tmp_path / "secret")
    seeing.alerted(seeing.watched / "deep/file", "removed")
    seeing.true()
    assert not seeing.alerts(tmp_path / "secret/file")


def test_strange_names_are_told_readably_and_exactly(seeing: Sentinel) -> None:
    for name in (b"new\nline", b"esc\x1b[2J", b"\xff\xfe", b"back\\slash"):
        path = os.fsencode(seeing.watched) + b"/" + name
        Path(os.fsdecode(path)).write_text("x")
        line = seeing.alerted(path, "created")
        assert line["path"].isprintable()
        if name != b"back\\slash":
            assert bytes.fromhex(line["path_hex"]) == path
    seeing.true()


def test_a_write_through_a_mapping_with_its_time_put_back_is_found_by_the_sweep(seeing: Sentinel) -> None:
    index = seeing.watched / "index.php"
    before = index.stat()
    with index.open("r+b") as file, mmap.mmap(file.fileno(), 0) as area:
        area[0:1] = b"X"
        area.flush()
    os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns))
    seeing.true()
    # Looked at in between it is two alerts: the content's, and the time's that was put back.
    assert any("sha256" in line["differs"] for line in seeing.alerts(index))


def test_a_file_that_comes_and_goes_is_told(seeing: Sentinel) -> None:
    for number in range(20):
        path = seeing.watched / f"flash{number}"
        path.write_text("x")
        path.unlink()

    def told(number: int) -> list[str]:
        return [line["what"] for line in seeing.alerts(seeing.watched / f"flash{number}")]

    until(lambda: all(told(number) in (["transient"], ["created", "removed"]) for number in range(20)))


def test_its_figures_are_of_what_it_does(sentinel: Sentinel) -> None:
    (sentinel.watched / "file").write_text("one")
    sentinel.start(heartbeat_seconds=0.2)
    until(sentinel.layout.metrics.exists)
    assert samples(sentinel.layout.metrics)['alerts_total{severity="critical",set="web"}'] == 0
    (sentinel.watched / "file").write_text("two")
    sentinel.alerted(sentinel.watched / "file", "changed")
    until(lambda: samples(sentinel.layout.metrics)['alerts_total{severity="critical",set="web"}'])
    found = samples(sentinel.layout.metrics)
    assert found["events_total"] >= 1
    assert found["last_sweep_paths"] == sentinel.status()["swept"]["seen"] > 0
    assert found["sweep_interval_seconds"] == 3600
    assert (found["waiting_contents"], found["quarantines_open"]) == (0, 0)
    assert found["resident_memory_bytes"] > 1 << 20
    assert found["cpu_seconds_total"] > 0
