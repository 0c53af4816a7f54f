"""A deploy window: before its first change a run tells the host's sentinel, signed, what it is going to change."""

import getpass
import json
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.errors import CasemateError
from deploy.facts.observed import observed
from deploy.operations.expected import Item, taken, tell_by
from deploy.release.documents import canonical
from deploy.release.signature import WINDOW, sign
from deploy.run.baseline import Baseline, sign_and_keep
from deploy.run.connection import host_key
from deploy.run.sentinel import asked
from deploy.settings.load import settings_of

SECONDS = 4 * 3600
"""As long as a sentinel allows: a model may travel for hours. What is not announced is an alert all the while."""

_FIRST_SECONDS = 600.0
"""How long a first baseline is waited for."""

_KEY = "casemate.window"


@dataclass
class Window:
    """What this run told, or tried to. `is_open`: the host believed it. `changes`: there was something to tell."""

    run: str
    is_open: bool = False
    changes: bool = False
    plan: list[Item] = field(default_factory=list)


def begin(host: Any, run: str) -> None:
    """Tell what prepare found to be changed, and later what it did not (`pyinfra -y` prepares nothing).

    A run that changes nothing opens no window. A host whose sentinel does not hear must still be put right: the run
    goes on, and says what will come of it.
    """
    window, items = Window(run), taken(host)
    host.connector_data[_KEY], window.changes = window, bool(items)
    if not _installed(host):
        return  # the first run, which brings it
    tell_by(host, lambda more: _announce(host, window, more))
    if items:
        _announce(host, window, items)


def end(host: Any, inventory: str) -> None:
    """Close the window, and sign what has become the baseline; also after a run that failed.

    Only what this run led to is signed, and a host's first: whoever is root there could have made another meanwhile.
    """
    window: Window | None = host.connector_data.pop(_KEY, None)
    tell_by(host, None)
    try:
        found = _closed(host, window)
        if found is None or found["signed"]:
            return
        if not (window and window.is_open) and Baseline.of_host(host).kept_before(inventory, host.name):
            _say(host, f"baseline {found['sequence']} is not signed; next: casemate baseline diff INVENTORY")
            return
        plan = window.plan if window and window.is_open else None
        signed = sign_and_keep(host, inventory, settings_of(host).release, plan)
        _say(host, f"signed baseline {signed.said['sequence']} of {signed.said.get('entries')} paths")
    except CasemateError as error:
        _say(host, f"{error.message.removeprefix(f'{host.name}: ')}; next: {error.next}")


def _closed(host: Any, window: Window | None) -> dict[str, Any] | None:
    """The baseline as it is now, {sequence, signed}; None without one, or without a sentinel."""
    if window and window.is_open:
        said = asked(host, "window", "close", run=window.run)
        if said["unplanned"]:
            _say(host, f"changes that were not the deploy's: {said['unplanned']}; next: casemate alerts INVENTORY")
        return dict(said["baseline"])
    if window and (window.changes or taken(host)):
        # Whatever ran before, this run may have brought the sentinel, or put it right.
        return _first(host) if _installed(host) else None
    status = (observed(host).section("sentinel") or {}).get("status")
    return _baseline(status) if status else None


def _installed(host: Any) -> bool:
    return bool((observed(host).section("sentinel") or {}).get("installed"))


def _first(host: Any) -> dict[str, Any] | None:
    """The baseline, which a sentinel that has just begun makes of all that it finds: every weight is read for it."""
    said, end = False, time.monotonic() + _FIRST_SECONDS
    while (found := _baseline(asked(host, "status"))) is None and time.monotonic() < end:
        if not said:
            said = True
            _say(host, "reads everything for its first baseline")
        time.sleep(1.0)
    if found is None:
        _say(host, "its first baseline is not made yet; next: casemate baseline accept INVENTORY --all --reason WHY")
    return found


def _baseline(status: dict[str, Any]) -> dict[str, Any] | None:
    found = status.get("baseline")
    return dict(found) if found else None


def _announce(host: Any, window: Window, items: Sequence[Item]) -> None:
    now, window.changes = time.time(), True
    document = canonical(
        {
            "schema": 1,
            "host": host_key(host),
            "run": window.run,
            "by": f"{getpass.getuser()}@{socket.gethostname()}",
            "opened": now,
            "until": now + SECONDS,
            "sequence": time.time_ns() // 1_000_000,
            "plan": list(items),
        }
    )
    try:
        signature = sign(document, settings_of(host).release, WINDOW).decode()
        asked(host, "window", "open", wakes=True, document=b64encode(document).decode(), signature=signature)
        window.is_open = True
        window.plan += items
    except CasemateError as error:
        if not window.is_open:
            tell_by(host, None)
        what = "the window is not open" if not window.is_open else f"{json.dumps([*items])[:200]} was not announced"
        _say(host, f"{error.message.removeprefix(f'{host.name}: ')}; {what}: what this run changes will be alerts")


def _say(host: Any, sentence: str) -> None:
    print(f"{host.name}  ...      sentinel: {sentence}", file=sys.stderr, flush=True)
