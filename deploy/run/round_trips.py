"""How often a run asked a host and waited for the answer."""

from collections.abc import Callable
from functools import wraps
from typing import Any

_KEY = "casemate.round_trips"
_ASKING = ("run_shell_command", "put_file", "get_file")


def count(host: Any) -> None:
    """Count from now on; the connection's own hand-shake is not counted."""
    host.connector_data[_KEY] = 0
    for name in _ASKING:
        setattr(host.connector, name, _counted(host, getattr(host.connector, name)))


def _counted(host: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def counting(*arguments: Any, **keywords: Any) -> Any:
        one(host)
        return function(*arguments, **keywords)

    return counting


def one(host: Any) -> None:
    """Something asked the host by a channel of its own."""
    host.connector_data[_KEY] = so_far(host) + 1


def so_far(host: Any) -> int:
    """Round trips since `count`."""
    return int(host.connector_data.get(_KEY, 0))
