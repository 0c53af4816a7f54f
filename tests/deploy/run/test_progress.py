"""What a run did to each host, as pyinfra tells it."""

from types import SimpleNamespace
from typing import Any

from deploy.run.progress import Outcome, Progress


class Done:
    """An operation that ended."""

    stdout_lines: tuple[str, ...] = ()
    stderr_lines: tuple[str, ...] = ()

    def did_succeed(self) -> bool:
        return False


def test_what_fails_on_the_last_host_is_told_and_counted_once() -> None:
    said: list[str] = []
    outcomes = {"gpu1": Outcome()}
    host = SimpleNamespace(name="gpu1", connector_data={"casemate.error": "gpu1: in quarantine"})
    state: Any = SimpleNamespace(
        inventory=[host],
        get_op_meta=lambda _: SimpleNamespace(names={"Hand over"}),
        get_op_data_for_host=lambda *_: SimpleNamespace(operation_meta=Done()),
    )
    progress = Progress(outcomes, said.append)
    progress.operation_host_start(state, host, "op")
    progress.nobody_is_left(state)
    progress.nobody_is_left(state)
    assert said == ["gpu1  FAILED   Hand over"]
    assert (outcomes["gpu1"].failed, outcomes["gpu1"].error) == (1, "gpu1: in quarantine")
