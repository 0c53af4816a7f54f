"""One command on a host, outside any operation, with the inventory's way of becoming root."""

from dataclasses import dataclass
from typing import Any

from paramiko import SSHException
from pyinfra.api import StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.connectors.util import make_unix_command_for_host

from deploy.errors import CasemateError


@dataclass(frozen=True)
class Answer:
    """What a command said. `ok` is exit status 0."""

    ok: bool
    out: list[str]
    err: list[str]


def ask(host: Any, *command: str, stdin: str | None = None) -> Answer:
    """Run a command on the host, as root if `_sudo` says so; raises CasemateError if the connection breaks.

    `stdin` ends with a newline: pyinfra writes lines. A secret travels there, never in `command`.
    """
    arguments = _arguments(host)
    if stdin is not None:
        arguments["_stdin"] = [stdin]
    try:
        ok, output = host.run_shell_command(StringCommand(*command), print_output=False, print_input=False, **arguments)
    except EOFError as error:
        # pyinfra asked for a sudo password, and there is no terminal to type it on.
        raise no_root(host) from error
    except (OSError, SSHException) as error:
        raise CasemateError(
            f"{host.name}: the SSH connection broke: {error or type(error).__name__}", next="the same command again"
        ) from error
    return Answer(ok, output.stdout_lines, output.stderr_lines)


def no_root(host: Any) -> CasemateError:
    """The SSH user may not do what a deploy does."""
    user = host.data.get("ssh_user") or "the SSH user"
    return CasemateError(
        f"{host.name}: {user} may not become root without a password",
        next=f"give {user} NOPASSWD in sudoers on {host.name}, or set _sudo_password in its group data",
    )


def raw(host: Any, *command: str) -> str:
    """The same command as one string for the connection's own channel, for what needs its standard input open."""
    channel = ("_get_pty", "_timeout", "_stdin", "_success_exit_codes")
    arguments = {key: value for key, value in _arguments(host).items() if key not in channel}
    return str(make_unix_command_for_host(host.state, host, StringCommand(*command), **arguments).get_raw_value())


def _arguments(host: Any) -> dict[str, Any]:
    arguments, _ = pop_global_arguments(host.state, host, {})
    return {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}
