"""One question to all hosts at once."""

from collections.abc import Callable
from typing import Any

from pyinfra.context import ctx_host

from deploy.errors import CasemateError
from deploy.run.connection import Connection

Found = dict[str, dict[str, Any]]
"""Each host's answer; {"error"} where there is none."""


def on_all(connection: Connection, question: Callable[[Any], dict[str, Any]]) -> Found:
    """What every host answers, those that could not be reached among them."""

    def one(host: Any) -> dict[str, Any]:
        with ctx_host.use(host):
            try:
                return question(host)
            except CasemateError as error:
                return _refused(host.name, error)

    greenlets = {host.name: connection.state.pool.spawn(one, host) for host in connection.hosts}
    refused = {name: _refused(name, error) for name, error in connection.refused.items()}
    return refused | {name: greenlet.get() for name, greenlet in greenlets.items()}


def _refused(host: str, error: CasemateError) -> dict[str, Any]:
    """The host's name stands beside it, wherever it is shown."""
    return {"error": f"{error.message.removeprefix(f'{host}: ')}; next: {error.next}"}
