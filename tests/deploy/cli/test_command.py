"""The casemate command as a process: what it says when this machine is the trouble."""

import subprocess
import sys

import pytest

FAILING = """
import deploy.cli, click, errno, gevent, sys
from deploy.cli import key
def failed() -> None:
    raise OSError(errno.{errno}, "Read-only file system", "/state/journal")
@click.command()
def failing() -> None:
    gevent.spawn(failed).get()
key.key = failing
sys.argv[:] = ["casemate", "key"]
deploy.cli.main()
"""


@pytest.mark.parametrize("name", ["EROFS", "EACCES", "ENOSPC"])
def test_a_disk_that_takes_nothing_is_a_sentence_and_no_traceback(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", FAILING.format(errno=name)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("/state/journal: Read-only file system\nNext: make it writable")
    assert "Traceback" not in done.stderr


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", FAILING.format(errno="EBADF")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
