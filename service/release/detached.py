"""A handover outlives the connection that asked for it: it runs in a unit of its own, and this process only watches."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from service.release.errors import ReleaseError, Resend
from service.release.layout import Layout

_LOOK = 0.2
"""Seconds between two looks at the journal."""


def run_detached(layout: Layout, component: str, release: str, say: Callable[[str], None]) -> None:
    """Run `handover --here` as a transient unit and pass on its steps. Raises ReleaseError with its reason.

    While another handover of the component runs, it is watched to its end first. One that fails has gone back by
    itself; after one that was killed systemd runs `start`, which puts the live release back.
    """
    unit = f"casemate-handover-{component}.service"
    while _active(unit):
        say(f"another handover of {component} is under way: waiting for its end")
        while _active(unit):
            time.sleep(_LOOK)
    program = sys.argv[0]
    command = ["systemd-run", "--quiet", "--collect", "--wait", f"--unit={unit}", "--service-type=exec"]
    command += [f"--description=casemate: hand {component} over to {release}"]
    command += ["-p", f"ExecStopPost=/bin/sh -c 'test $EXIT_CODE = exited || exec {program} start {component}'"]
    began = time.time()
    run = subprocess.Popen([*command, program, "handover", "--here", component, release], stderr=subprocess.PIPE)
    entry = _followed(run, layout, component, began, say)
    said = (run.stderr.read() if run.stderr else b"").decode("utf-8", "replace").strip()
    if run.returncode:
        reason = entry.get("error") or said or f"it was killed; see: journalctl -u {unit}"
        raise (Resend if run.returncode == Resend.exit_code else ReleaseError)(reason)


def _followed(
    run: "subprocess.Popen[bytes]", layout: Layout, component: str, began: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """The journal's entry at the end; each step is said once."""
    told = 0
    while True:
        ended = run.poll() is not None
        entry = _entry(layout, component, began)
        for step in entry.get("steps", [])[told:]:
            say(step["step"])
            told += 1
        if ended:
            return entry
        time.sleep(_LOOK)


def _entry(layout: Layout, component: str, began: float) -> dict[str, Any]:
    """This run's entry; empty while the journal still holds an earlier one."""
    try:
        entry: dict[str, Any] = json.loads((layout.releases / f"handover-{component}.json").read_text())
    except FileNotFoundError:
        return {}
    return entry if entry["steps"][0]["at"] >= began - 1 else {}


def _active(unit: str) -> bool:
    said = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True, check=False).stdout.strip()
    return said in ("active", "activating", "deactivating")
