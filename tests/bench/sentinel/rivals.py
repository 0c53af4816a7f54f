"""Our sources and their peers: inotifywait and AIDE of the distribution; watchdog and watchfiles, installed apart."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.paths import cache
from tests.bench.sentinel.listening import Program

_PLACE = cache() / "bench" / "watchers"
_PACKAGES = ("watchdog==6.*", "watchfiles==1.*")
_WATCHDOG = """
import sys, time
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
class Print(FileSystemEventHandler):
    def on_any_event(self, event):
        if event.event_type not in ("opened", "closed_no_write"):
            sys.stdout.write("".join(path + "\\n" for path in (event.src_path, event.dest_path) if path))
            sys.stdout.flush()
observer = Observer()
observer.schedule(Print(), sys.argv[1], recursive=True)
observer.start()
print("ready", flush=True)
observer.join()
"""
_WATCHFILES = """
import sys
from watchfiles import watch
for first, changes in enumerate(watch(sys.argv[1], yield_on_timeout=True, rust_timeout=100, raise_interrupt=False)):
    if not first:
        print("ready", flush=True)
    sys.stdout.write("".join(path + "\\n" for _, path in changes))
    sys.stdout.flush()
"""
# All that a webshell can come by; the command as people write it (create,modify,delete) sees less.
_MASK = "create,close_write,modify,attrib,moved_to,moved_from,delete"


OURS: dict[str, Program] = {
    name: lambda directory, name=name: (  # type: ignore[misc]
        [sys.executable, "-m", "tests.bench.sentinel.ours", name, str(directory)],
        b"ready",
    )
    for name in ("fanotify", "inotify")
}


def rivals() -> dict[str, Program]:
    """Those that are here or can be installed."""
    found: dict[str, Program] = {}
    if shutil.which("inotifywait"):
        wait = ["inotifywait", "-m", "-r", "-e", _MASK, "--format", "%w%f"]
        found["inotifywait"] = lambda directory: ([*wait, str(directory)], b"Watches established.")
    else:
        print("inotifywait is not here (apt-get install inotify-tools): no comparison with it", file=sys.stderr)
    if python := _installed():
        found["watchdog"] = lambda directory: ([python, "-c", _WATCHDOG, str(directory)], b"ready")
        found["watchfiles"] = lambda directory: ([python, "-c", _WATCHFILES, str(directory)], b"ready")
    return found


class Aide:
    """A check of a directory against what it was at first."""

    def __init__(self, folder: Path, directory: Path) -> None:
        self._configuration = folder / "aide.conf"
        self._configuration.write_text(
            f"database_in=file:{folder}/aide.db\ndatabase_out=file:{folder}/aide.new\n"
            f"report_url=stdout\n{directory} p+u+g+s+m+i+sha256\n"
        )
        subprocess.run([*self._command, "--init"], check=True, stdout=subprocess.DEVNULL)
        (folder / "aide.new").rename(folder / "aide.db")

    def added(self) -> int:
        """How many entries it finds to be new."""
        done = subprocess.run([*self._command, "--check"], check=False, capture_output=True, text=True)
        found = re.search(r"Added entries:\s+(\d+)", done.stdout)
        return int(found[1]) if found else 0

    @property
    def _command(self) -> list[str]:
        return ["aide", f"--config={self._configuration}"]


def aide(folder: Path, directory: Path) -> Aide | None:
    if shutil.which("aide"):
        return Aide(folder, directory)
    print("aide is not here (apt-get install aide): no comparison with it", file=sys.stderr)
    return None


def _installed() -> str | None:
    python = _PLACE / "bin" / "python"
    if (_PLACE / "installed").exists():
        return str(python)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_PLACE)], check=True)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *_PACKAGES]
    if subprocess.run(pip, stdout=sys.stderr, check=False).returncode:
        print("watchdog and watchfiles cannot be installed here: no comparison with them", file=sys.stderr)
        return None
    (_PLACE / "installed").touch()
    return str(python)
