"""systemd's units, and what sshd would do."""

import datetime
import glob
import os

from deploy.facts.posture.read import Json, output, pairs

UNITS = (
    "docker.service",
    "docker.socket",
    "containerd.service",
    "nginx.service",
    "casemate-sentinel.service",
    "nftables.service",
    "ssh.service",
    "systemd-journald.service",
    "var-log-casemate-vision.mount",
    "var-log-casemate-gate.mount",
)
_UNIT_PROPERTIES = (
    "Id,Names,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,StateChangeTimestamp,FragmentPath,"
    "DropInPaths,NRestarts,Result"
)


def parse_time(stamp: str) -> float | None:
    """`Mon 2026-11-23 07:04:41.123456 UTC` as seconds since 1970; None for "never"."""
    parts = stamp.split()
    if len(parts) != 4:
        return None
    return datetime.datetime.fromisoformat(f"{parts[1]} {parts[2]}+00:00").timestamp()


def parse_units(shown: str) -> Json:
    """The paragraphs of `systemctl show`; a unit is found under each of its names."""
    found: Json = {}
    for paragraph in shown.split("\n\n"):
        fields = dict(pairs(paragraph.splitlines(), "="))
        if "Id" not in fields:
            continue
        unit = {
            "load": fields.get("LoadState", ""),
            "active": fields.get("ActiveState", ""),
            "sub": fields.get("SubState", ""),
            "enabled": fields.get("UnitFileState", ""),
            "needs_reload": fields.get("NeedDaemonReload") == "yes",
            "main_pid": int(fields.get("MainPID") or 0),
            "changed": parse_time(fields.get("StateChangeTimestamp", "")) or 0.0,
            "fragment": fields.get("FragmentPath", ""),
            "drop_ins": fields.get("DropInPaths", "").split(),
            "restarts": int(fields.get("NRestarts") or 0),
            "result": fields.get("Result", ""),
        }
        for name in {fields["Id"], *fields.get("Names", "").split()}:
            found[name] = unit
    return found


def units() -> Json:
    """Our units and the daemons', by one call. With microseconds: a file may be written in the second of a restart."""
    own = {os.path.basename(path) for path in glob.glob("/etc/systemd/system/casemate-*.*") if not path.endswith(".d")}
    names = sorted({*UNITS, *own})
    options = ("--timestamp=us+utc", f"--property={_UNIT_PROPERTIES}")
    return parse_units(output("systemctl", "show", *options, "--", *names))


def parse_sshd(settings: str) -> Json:
    """Keyword to value; a keyword that stands several times has a list."""
    found: Json = {}
    for key, value in pairs(settings.splitlines(), " "):
        found.setdefault(key.lower(), []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def sshd() -> Json:
    """What `sshd -T` would use."""
    return parse_sshd(output("sshd", "-T"))
