"""Talking to a host's sentinel: one request, one answer."""

import json
import shlex
from typing import Any

from deploy.errors import CasemateError
from deploy.facts.shell import ask
from deploy.host_paths import HOST_PROGRAMS

PROGRAM = f"{HOST_PROGRAMS}/bin/casemate-sentinel"
UNIT = "casemate-sentinel.service"


def asked(host: Any, *verb: str, wakes: bool = False, **given: Any) -> dict[str, Any]:
    """What the sentinel answers; `wakes` starts it first if it does not run. Raises CasemateError with its reason."""
    command = shlex.join([PROGRAM, *verb])
    if wakes:
        command = f"systemctl is-active -q {UNIT} || systemctl start {UNIT}; {command}"
    if not given:
        command += " </dev/null"
    answer = ask(host, "sh", "-c", shlex.quote(command), stdin=json.dumps(given) if given else None)
    for line in reversed(answer.out if answer.ok else []):
        if line.startswith("{"):
            return dict(json.loads(line))
    raise refused(host, "\n".join(answer.err[-2:]) or "no answer")


def refused(host: Any, said: str) -> CasemateError:
    """What an operator reads when a sentinel does not do as it is asked."""
    sentence, _, following = said.removeprefix("casemate-sentinel: ").partition("; next: ")
    put_right = f"on the host: systemctl status {UNIT}; to put it right: casemate deploy INVENTORY --only sentinel"
    return CasemateError(f"{host.name}: the sentinel says: {sentence}", next=following or put_right)
