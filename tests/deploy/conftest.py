"""A host that is only a snapshot: what an operation compares with, and the commands that it yields."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.context import ctx_host, ctx_state

from deploy.facts.observed import Observed

EMPTY: dict[str, Any] = {"errors": {}, "files": {}, "directories": {}, "packages": {}, "units": {}}

Operate = Callable[..., list[str]]


class FakeHost(SimpleNamespace):
    """As much of pyinfra's Host as an operation's generator touches."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        super().__init__(
            name="gpu1",
            print_prefix="[gpu1] ",
            current_op_hash="operation",
            connector_data={"casemate.snapshot": Observed({**EMPTY, **snapshot}, taken=1000.0)},
        )

    def noop(self, description: str) -> None:
        """What pyinfra logs when nothing differs."""
        self.connector_data.setdefault("noops", []).append(description)


@pytest.fixture
def fake_host() -> Iterator[Callable[..., FakeHost]]:
    """`fake_host(files={...})` makes the current host one with this snapshot; `executing=True` is the second phase."""
    entered = []

    def make(executing: bool = False, **snapshot: Any) -> FakeHost:
        host = FakeHost(snapshot)
        for context in (ctx_host.use(host), ctx_state.use(SimpleNamespace(is_executing=executing))):
            context.__enter__()
            entered.append(context)
        return host

    yield make
    for context in reversed(entered):
        context.__exit__(None, None, None)
    ctx_host.reset()
    ctx_state.reset()


@pytest.fixture
def commands(fake_host: Callable[..., FakeHost]) -> Operate:
    """`commands(operation, {...arguments}, **snapshot)`: the commands that the operation's generator yields."""

    def run(operation: Any, arguments: dict[str, Any], **snapshot: Any) -> list[str]:
        fake_host(**snapshot)
        return [str(command) for command in operation._inner(**arguments)]

    return run
