"""What an attacker inside the model's container could reach, tried out on the host."""

import json
from collections.abc import Mapping
from typing import Any

from deploy.errors import CasemateError
from deploy.facts.program import self_contained
from deploy.facts.shell import ask

UNPROVEN = "the control could not reach it either (does another firewall of the host drop it?)"
PROBES = ("host_tcp", "neighbours", "resolver", "icmp", "routes", "writes", "syscalls")


def probed(host: Any, container: str | None) -> dict[str, Any]:
    """What a control sees as `probe`: {probe: {"reached", "proven", "unproven": [targets]} or None, "errors": {...}}.

    `container` is the running container whose walls are tried, by a throwaway twin of it. A probe that the control
    experiment could not do either is None: it proves nothing.
    """
    if container is None:
        return _nothing("no vision container runs: there are no walls to try")
    attempts = self_contained("deploy.facts.probes.attempt")
    program = self_contained("deploy.facts.probes.experiment", attempts, container)
    try:
        answer = ask(host, "python3", "-", stdin=program)
    except CasemateError as error:
        return _nothing(error.message)
    for line in reversed(answer.out):
        if line.startswith("{"):
            return judged(json.loads(line))
    return _nothing(f"the probes printed nothing: {' '.join(answer.err)[-300:]}")


def judged(outcomes: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment's outcomes, without what it could not prove."""
    if "error" in outcomes:
        return _nothing(f"the experiment could not be made: {outcomes['error']}")
    errors = {name: UNPROVEN for name in PROBES if not _proves(outcomes.get(name))}
    return {**{name: None if name in errors else outcomes[name] for name in PROBES}, "errors": errors}


def _proves(outcome: Mapping[str, Any] | None) -> bool:
    return bool(outcome and (outcome["reached"] or outcome["proven"]))


def _nothing(why: str) -> dict[str, Any]:
    return {**dict.fromkeys(PROBES), "errors": dict.fromkeys(PROBES, why)}
