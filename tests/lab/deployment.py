"""A deployed lab, and the casemate command as a user types it."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.lab.host import LabHost
from deploy.lab.lab import Lab
from deploy.paths import ROOT

_LONGEST_SECONDS = 900
"""A command that hangs fails its test; a first deploy to two busy hosts takes two minutes."""
CASEMATE = str(ROOT / ".venv" / "bin" / "casemate")
_INVENTORY = """from pathlib import Path

from deploy.lab.inventory import inventory

lab = inventory(Path({directory!r}))
"""


@dataclass(frozen=True)
class Deployment:
    """Hosts of one lab behind one inventory file; `limit` names the one that a test is about."""

    lab: Lab
    inventory: str
    limit: str | None = None

    def of(self, host: str) -> "Deployment":
        """The same, about one host."""
        return Deployment(self.lab, self.inventory, host)

    @property
    def host(self) -> LabHost:
        """The host that this is about."""
        return next(host for host in self.lab.hosts if host.name == self.limit)

    def command(self, verb: str, *arguments: str) -> list[str]:
        """The argv of a casemate verb on this inventory."""
        limit = ["--limit", self.limit] if self.limit else []
        return [CASEMATE, verb, self.inventory, *arguments, *limit]

    def casemate(
        self, verb: str, *arguments: str, status: int | None = 0, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb; asserts its exit status, and that no traceback is ever shown to a user."""
        done = subprocess.run(
            self.command(verb, *arguments),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=_LONGEST_SECONDS,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert status is None or done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, verb: str, *arguments: str, status: int | None = 0) -> Any:
        """What a verb prints with --json."""
        return json.loads(self.casemate(verb, *arguments, "--json", status=status).stdout)

    def start(self, verb: str, *arguments: str) -> "subprocess.Popen[str]":
        """Run a verb in the background, its standard error to be read line by line."""
        command = self.command(verb, *arguments)
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def inventory_file(folder: Path, lab: Lab) -> str:
    """An inventory of this lab's hosts, with the group data of inventory/lab.py."""
    (folder / "group_data").mkdir(parents=True, exist_ok=True)
    for data in (ROOT / "inventory" / "group_data").glob("*.py"):
        (folder / "group_data" / data.name).write_text(data.read_text())
    file = folder / "lab.py"
    file.write_text(_INVENTORY.format(directory=str(lab.directory)))
    return str(file)


def said_until(process: "subprocess.Popen[str]", *words: str) -> Iterator[str]:
    """Lines of standard error up to and with the first that has all of `words`; fails when there is none."""
    assert process.stderr is not None
    for line in process.stderr:
        yield line
        if all(word in line for word in words):
            return
    raise AssertionError(f"the command ended without saying {words}")


def eventually(condition: Any, seconds: float = 20) -> None:
    """Wait until `condition()` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)
