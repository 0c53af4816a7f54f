"""What a program of ours says on a host."""

import json
from typing import Any, cast

from deploy.errors import CasemateError
from deploy.facts.program import self_contained
from deploy.facts.shell import ask, no_root


def told(host: Any, entry: str, *arguments: Any) -> dict[str, Any]:
    """Run `main(*arguments)` of our module `entry` on the host; it prints one JSON object. Raises CasemateError.

    The program comes by standard input, so that a host needs no file of ours to be looked at.
    """
    answer = ask(host, "python3", "-", stdin=self_contained(entry, *arguments))
    for line in reversed(answer.out):
        # Login shells and sudo's lecture may print before it.
        if line.startswith("{"):
            return cast(dict[str, Any], json.loads(line))
    raise _unreadable(host, "\n".join(answer.err or answer.out))


def _unreadable(host: Any, said: str) -> CasemateError:
    if "sudo" in said:
        return no_root(host)
    if "python3" in said and "not found" in said:
        return CasemateError(f"{host.name}: python3 is not installed", next=f"on {host.name}: apt-get install python3")
    return CasemateError(
        f"{host.name}: the host could not be observed: {said[-300:] or 'no answer'}",
        next=f"look at it by hand: ssh {host.name} sudo -n python3 --version",
    )
