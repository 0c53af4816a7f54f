"""Work on a host that is more than a command: a transfer, a conversation."""

from collections.abc import Callable
from typing import Any

from pyinfra.api.command import FunctionCommand

from deploy.errors import CasemateError
from deploy.operations.convergence import Commands


def attempted(work: Callable[[Any], None]) -> Commands:
    """`yield from attempted(work)`: run `work(host)` as a command of an operation.

    pyinfra would print the traceback of whatever is raised inside; a CasemateError is raised here instead, where
    `convergence` makes it the operation's one sentence.
    """
    errors: list[CasemateError] = []

    def attempt(state: Any, host: Any) -> bool:  # noqa: ARG001  pyinfra looks for these names
        try:
            work(host)
        except CasemateError as error:
            errors.append(error)
        return True

    yield FunctionCommand(attempt, (), {})
    if errors:
        raise errors[0]
