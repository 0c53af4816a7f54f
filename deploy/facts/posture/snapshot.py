"""What a host looks like, as one JSON line, printed on the host by root's python3.

Standard library of Python 3.10 only; `deploy.facts.program` bundles these modules into one program that travels by
standard input, leaves nothing behind and changes nothing. Each section is read on its own; one that cannot be read is
null and has its reason under "errors": "could not look" is never taken for "nothing there". Nothing secret is in it:
file content only where everybody on the host may read it, no secret-looking value of a container's environment.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from deploy.facts.posture.certificates import certificates
from deploy.facts.posture.container import processes
from deploy.facts.posture.daemons import sshd, units
from deploy.facts.posture.engine import docker
from deploy.facts.posture.files import directories, files, sockets
from deploy.facts.posture.firewall import parse_chains, parse_rules, ruleset
from deploy.facts.posture.logs import logs
from deploy.facts.posture.machine import groups, modules, operating_system, packages, resources, sysctl, users
from deploy.facts.posture.ours import lock, release
from deploy.facts.posture.read import Json, reason
from deploy.facts.posture.sentinel import sentinel
from deploy.facts.posture.wire import listeners, routes

SCHEMA = 1

SECTIONS: dict[str, Callable[[Json], Any]] = {
    "os": lambda _: operating_system(),
    "resources": lambda _: resources(),
    "packages": lambda _: packages(),
    "users": lambda _: users(),
    "groups": lambda _: groups(),
    "files": lambda _: files(),
    "directories": lambda _: directories(),
    "sockets": lambda _: sockets(),
    "units": lambda _: units(),
    "docker": lambda found: docker(found["units"]),
    "nft": lambda _: parse_rules(ruleset()),
    "nft_chains": lambda _: parse_chains(ruleset()),
    "processes": lambda found: processes(found["docker"]),
    "listeners": lambda _: listeners(),
    "routes": lambda _: routes(),
    "sysctl": lambda _: sysctl(),
    "modules": lambda _: modules(),
    "sshd": lambda _: sshd(),
    "release": lambda _: release(),
    "certificates": lambda _: certificates(),
    "logs": lambda found: logs(found["units"]),
    "sentinel": lambda found: sentinel(found["units"]),
    "lock": lambda _: lock(),
}
"""Each section's reader; it is given the sections before it."""


def gather(sections: dict[str, Callable[[Json], Any]]) -> Json:
    """Every section in its order. One that fails is null, and its reason is in "errors"."""
    found: Json = {}
    errors: dict[str, str] = {}
    for name, read in sections.items():
        try:
            found[name] = read(found)
        except Exception as error:  # whatever it is: the other sections are still wanted
            found[name] = None
            errors[name] = reason(error)
    return {**found, "errors": errors}


def main() -> None:
    """Print the snapshot as one line."""
    began = time.monotonic()
    found = gather(SECTIONS)
    print(json.dumps({"schema": SCHEMA, **found, "seconds": round(time.monotonic() - began, 3)}))
