"""What the tests of verbs that ask hosts share: one connected host, gpu1."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gevent.pool import Pool

from tests.deploy.run.sentinels import host


@contextmanager
def connected(*_: Any) -> Iterator[Any]:
    yield SimpleNamespace(hosts=[host()], refused={}, state=SimpleNamespace(pool=Pool()))


def here(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """One connected host, gpu1."""
    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(module, "read_inventory", lambda *_: (None, []))


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))
