"""The operator's hold on a host's chained logs: their first keys are here, and where the chains stood is noted."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deploy.errors import CasemateError
from deploy.facts.chained.logs import LOGS
from deploy.facts.observed import Observed
from deploy.facts.told import told
from deploy.run.anchors import anchored, see
from deploy.run.connection import host_key
from deploy.run.first_keys import FirstKey, begun, first_keys, keep

Say = Callable[[str], None]


@dataclass
class Taken:
    """First keys that are here, by log; `other`: logs beside which another one lies; `troubles`: what went wrong.

    `heads`: where the chains stand, by log.
    """

    keys: dict[str, FirstKey] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    heads: dict[str, Any] = field(default_factory=dict)


def take(host: Any, inventory: str) -> Taken:
    """Bring the first keys here and have them forgotten there, in this order.

    A key that differs from the one that is kept stays where it is: its chain was made anew, and a person must say why.
    """
    machine = host_key(host)
    found = told(host, "deploy.facts.chained.heads", LOGS)
    taken = Taken(first_keys(inventory, host.name).get(machine, {}))
    lying = {log: one["key"] for log, one in found.items() if one.get("key")}
    if new := {log: begun(key) for log, key in lying.items() if log not in taken.keys}:
        keep(inventory, host.name, machine, new)
        taken.keys |= new
    taken.other = [log for log, key in lying.items() if taken.keys[log].key != key]
    if kept := {LOGS[log]: _digest(key) for log, key in lying.items() if log not in taken.other}:
        left = told(host, "deploy.facts.chained.taken", kept)
        taken.troubles += [f"the first key of {path} is still there: {why}" for path, why in left.items() if why]
    taken.troubles += [f"{log}: {one['error']}" for log, one in found.items() if "error" in one]
    taken.heads = {log: one.get("head") for log, one in found.items()}
    return taken


def after_a_run(host: Any, inventory: str, seen: Observed | None, say: Say) -> None:
    """Take what is there to take. `seen` is the host's snapshot if the run changed nothing: then nobody is asked twice.

    Never raises for the host's sake: a deploy that is done stays done.
    """
    try:
        machine, before = host_key(host), anchored(inventory).get(host.name)
        if before and before.host_key != machine:
            say(f"{host.name} has another SSH host key than when its logs were noted: they count as a new machine's")
        there = (seen.section("logs") or {}) if seen else {}
        if there and not there["keys"]:
            see(inventory, host.name, machine, {log: there["heads"].get(path) for log, path in LOGS.items()})
            return
        taken = take(host, inventory)
        see(inventory, host.name, machine, taken.heads)
    except CasemateError as error:
        say(f"{host.name}: the first keys of its logs could not be taken: {error.message}")
        return
    for log in taken.other:
        say(f"{host.name}: the chain of {log} was made anew; next: casemate logs verify, and see the runbook of logs")
    for trouble in taken.troubles:
        say(f"{host.name}: {trouble}")


def _digest(key: str) -> str:
    return hashlib.sha256(bytes.fromhex(key)).hexdigest()
