"""What several verbs' tests share."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gevent.pool import Pool

from deploy import paths
from deploy.cli import logs as module
from deploy.facts.chained.logs import LOGS, PLAIN
from deploy.facts.program import self_contained
from deploy.operations import channel
from deploy.run import chains, proof
from tests.deploy.cli.host_logs import write


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The audit log of the one host, gpu1; its other logs are not written yet."""

    def here(_: Any, entry: str, *arguments: Any) -> Any:
        command = [sys.executable, "-I", "-S", "-"]
        done = subprocess.run(
            command, input=self_contained(entry, *arguments), capture_output=True, text=True, check=True, cwd="/"
        )
        return json.loads(done.stdout)

    @contextmanager
    def connected(*_: Any) -> Iterator[Any]:
        host = SimpleNamespace(name="gpu1")
        yield SimpleNamespace(hosts=[host], refused={}, state=SimpleNamespace(pool=Pool()))

    for name in (*LOGS, *PLAIN):
        (tmp_path / name).mkdir()
    places, plain = (
        {name: str(tmp_path / name / Path(path).name) for name, path in logs.items()} for logs in (LOGS, PLAIN)
    )

    def sent(_: Any, *command: str, stdin: str) -> Iterator[bytes]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-"], input=stdin.encode(), capture_output=True, check=True, cwd="/"
        )
        yield from (done.stdout[at : at + 1000] for at in range(0, len(done.stdout), 1000))

    for one in (module, chains, proof):
        monkeypatch.setattr(one, "told", here)
        monkeypatch.setattr(one, "host_key", lambda host: f"SHA256:{host.name}")
        monkeypatch.setattr(one, "LOGS", places)
    monkeypatch.setattr(module, "PLAIN", plain)
    monkeypatch.setattr(channel, "read", sent)
    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(module, "read_inventory", lambda *_: (None, []))
    monkeypatch.setattr(paths, "STATE", tmp_path / "state")
    write(Path(places["vision"]), 8)
    return Path(places["vision"])
