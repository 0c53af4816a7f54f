"""A run that is interrupted says so, at once and in the journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.run import rollout
from deploy.run.progress import Outcome


def test_an_interrupted_run_says_so_at_once_and_is_journalled_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    journalled: dict[str, Outcome] = {}

    @contextmanager
    def connected(*_: Any) -> Iterator[Any]:
        yield SimpleNamespace(refused={}, hosts=[], state=SimpleNamespace(activated_hosts=[]))

    def execute(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rollout, "connected", connected)
    monkeypatch.setattr(rollout, "read_inventory", lambda *_: (None, [SimpleNamespace(name="gpu1")]))
    monkeypatch.setattr(rollout, "valid", lambda _: None)
    monkeypatch.setattr(rollout, "_prepare", lambda _: None)
    monkeypatch.setattr(rollout, "_execute", execute)
    monkeypatch.setattr(rollout, "_each", lambda *_: happened.append("each host"))
    monkeypatch.setattr(rollout, "_journal", lambda _c, _r, _f, outcomes, _s: journalled.update(outcomes))
    with pytest.raises(KeyboardInterrupt):
        rollout.deploy("lab.py", (), (), None, happened.append)
    assert [one.partition(":")[0] for one in happened[-2:]] == ["interrupted", "each host"]  # said before it waits
    assert (journalled["gpu1"].failed, journalled["gpu1"].error) == (1, "interrupted")
