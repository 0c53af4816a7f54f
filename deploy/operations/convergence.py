"""pyinfra's `@operation`, over a snapshot that is looked at again after every change."""

from collections.abc import Callable, Generator, Iterator
from functools import wraps
from typing import Any, ParamSpec

from pyinfra import host, logger, state
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand, PyinfraCommand

from deploy.errors import CasemateError
from deploy.facts.observed import forget
from deploy.operations.expected import tell

P = ParamSpec("P")
Commands = Generator[str | PyinfraCommand, None, None]


def convergence(function: Callable[P, Commands]) -> Any:
    """Make an operation of a generator that compares desired with observed and yields what is missing.

    In prepare the first command says "would change". In execute the commands run one after the other, the sentinel is
    told what it does not expect yet before each, and after each the snapshot is forgotten, so that the next operation
    compares with what is there now. A CasemateError in execute
    fails the operation on this host alone (pyinfra would end the run of every host); in prepare it ends the run before
    any change.
    """

    @wraps(function)
    def observing(*args: P.args, **kwargs: P.kwargs) -> Iterator[str | PyinfraCommand]:
        try:
            for command in function(*args, **kwargs):
                if state.is_executing:
                    tell(host)
                yield command
                if state.is_executing:
                    forget(host)
        except CasemateError as error:
            if not state.is_executing:
                raise
            yield FunctionCommand(_failed, (str(error),), {})

    return operation()(observing)


def _failed(state: Any, host: Any, message: str) -> bool:  # noqa: ARG001
    """What pyinfra counts as a failed command; it looks for the argument names `state` and `host`."""
    logger.error("%s%s", host.print_prefix, message)
    host.connector_data["casemate.error"] = message
    return False
