"""A real Docker engine of a test's own: to be stopped, frozen and restarted, with nobody else's containers in it."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NEEDED = [
    pytest.mark.skipif(os.getuid() != 0 or not shutil.which("dockerd"), reason="needs root and dockerd"),
    pytest.mark.long,
]
"""Marks of a module that has one."""
PROGRAMS = ("sh", "sleep", "cat", "rm", "mkdir", "mv", "chmod", "touch", "ln")
RELEASE = "0123456789ab"


def until(holds: Callable[[], Any], what: str, seconds: float = 20) -> float:
    """Wait; returns how long it took (s)."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - began


class Engine:
    """`dockerd` on a socket of its own, with an image of a shell and little else."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root, self.options = root, options
        self.socket = root / "docker.sock"
        self.daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        command = ["dockerd", "-H", f"unix://{self.socket}", "--data-root", str(self.root / "data")]
        command += ["--exec-root", str(self.root / "exec"), "-p", str(self.root / "pid"), "--bridge=none"]
        command += ["--iptables=false", "--ip6tables=false", "--storage-driver=overlay2", *self.options]
        with (self.root / "log").open("ab") as log:
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: self.run("version", check=False).returncode == 0, "the engine", 60)

    def stop(self) -> None:
        """End the daemon, as a restart does."""
        if self.daemon:
            self.daemon.send_signal(signal.SIGCONT)
            self.daemon.terminate()
            self.daemon.wait(60)
            self.daemon = None

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`docker ...`."""
        command = ["docker", "-H", f"unix://{self.socket}", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, (command, done.stderr)
        return done

    def inspected(self, name: str) -> dict[str, Any]:
        """`docker container inspect`."""
        found: list[dict[str, Any]] = json.loads(self.run("container", "inspect", name).stdout)
        return found[0]

    def inside(self, name: str, script: str) -> str:
        """Run a shell script in a container."""
        return self.run("exec", name, "sh", "-c", script).stdout

    def container(self, component: str, *options: str, release: str = RELEASE, script: str = "sleep 1000") -> str:
        """Run one as the release program would name it; returns the name."""
        name = f"casemate-{component}-{release}"
        labels = ["--label", f"casemate.component={component}", "--label", f"casemate.release={release}"]
        end = ["--init", "--stop-timeout=1", "hands-test-shell", "sh", "-c", script]
        self.run("run", "-d", "--name", name, *labels, *(options or ("--network=none",)), *end)
        return name

    def clear(self) -> None:
        """Remove every container and network that was made here."""
        if names := self.run("ps", "-aq").stdout.split():
            self.run("rm", "-f", "-v", *names)
        for name in self.run("network", "ls", "-q", "--filter", "type=custom").stdout.split():
            self.run("network", "rm", name)


@contextlib.contextmanager
def new_engine(*options: str) -> Iterator[Engine]:
    """An engine that runs, with its image; it and all that it made are gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="hands-test-"))
    engine = Engine(root, *options)
    try:
        engine.start()
        (root / "image.tar").write_bytes(root_file_system())
        engine.run("import", str(root / "image.tar"), "hands-test-shell")
        yield engine
        engine.clear()
    finally:
        engine.stop()
        for point in sorted(_mounted_below(root), reverse=True):
            subprocess.run(["umount", "-l", point], check=True)
        shutil.rmtree(root)


def _mounted_below(root: Path) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{root}/")]


def root_file_system() -> bytes:
    """A few programs of this machine with the libraries that they are linked to, and a file to change."""
    wanted = set()
    for program in PROGRAMS:
        path = shutil.which(program)
        assert path, program
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        wanted |= {path, *(word for word in listed.split() if word.startswith("/"))}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for source in sorted(wanted):
            content = Path(source).read_bytes()
            place = f"bin/{os.path.basename(source)}" if os.path.basename(source) in PROGRAMS else source.lstrip("/")
            _add(archive, place, content, 0o755)
        for place in ("app/main.py", "app/assets/page.html", "etc/passwd"):
            _add(archive, place, b"as in the image\n", 0o644)
    return packed.getvalue()


def _add(archive: tarfile.TarFile, place: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(place)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))
