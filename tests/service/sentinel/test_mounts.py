"""Which mount a path lies on, and who says so when that changes."""

import os
import select
import subprocess
import sys
from pathlib import Path

from service.sentinel.mounts import Mount, Mounts, on, only_swept
from tests.service.sentinel.watching import mounted


def _mount(number: int, parent: int, point: bytes) -> Mount:
    return Mount(number, parent, f"0:{number}", b"/", point, "ext4", b"rw")


def test_a_later_mount_hides_what_lies_below_it() -> None:
    mounts = [_mount(1, 0, b"/"), _mount(2, 1, b"/a/b"), _mount(3, 1, b"/a"), _mount(4, 3, b"/a")]
    assert on(mounts, b"/a/b/c").id == 4
    assert on(mounts, b"/ab").id == 1


def test_a_mount_is_news_once_and_wakes_who_waits(tmp_path: Path) -> None:
    odd = tmp_path / "with blank\nand newline"
    mounts = Mounts()
    waiting = select.poll()
    waiting.register(mounts.waker, select.POLLPRI)
    try:
        mounts.news()
        while waiting.poll(0):
            pass
        with mounted(odd, "-t", "tmpfs", "none"):
            assert waiting.poll(5000)
            found = mounts.news()
            assert os.fsencode(odd) in {one.point for one in found or []}
            assert mounts.at(os.fsencode(odd / "x")).kind == "tmpfs"
            assert [one.point for one in mounts.below(os.fsencode(tmp_path))] == [os.fsencode(odd)]
        assert os.fsencode(odd) in {one.point for one in mounts.news() or []}
        assert mounts.below(os.fsencode(tmp_path)) == []
    finally:
        mounts.close()


def test_a_local_root_is_told_of_by_events(tmp_path: Path) -> None:
    assert only_swept(os.fsencode(tmp_path)) is None
    assert only_swept(os.fsencode(tmp_path / "not/there")) is None


def test_a_network_file_system_is_said_to_be_swept_only(tmp_path: Path) -> None:
    """Where the test runs no server is at hand: the kernel's own words for one are put in mountinfo's place."""
    real = Path("/proc/self/mountinfo").read_text()
    root = next(line.split()[0] for line in real.splitlines() if line.split()[4] == "/")
    (tmp_path / "info").write_text(real + f"99999 {root} 0:99 / /net rw - nfs4 server:/x rw\n")
    code = "from service.sentinel.mounts import only_swept; print(only_swept(b'/net/models'))"
    shown = f'mount --bind {tmp_path}/info /proc/$$/mountinfo && exec {sys.executable} -c "{code}"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", shown], capture_output=True, text=True, check=False)
    assert "nfs4" in done.stdout, done.stderr
    assert "found by sweeps alone" in done.stdout


def test_what_came_and_went_between_two_looks_may_have_been_any_mount_but_the_first(tmp_path: Path) -> None:
    mounts = Mounts()
    try:
        mounts.news()
        with mounted(tmp_path / "brief", "-t", "tmpfs", "none"):
            pass
        found = mounts.news()
        assert found
        assert b"/" not in {one.point for one in found}
    finally:
        mounts.close()
