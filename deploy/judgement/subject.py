"""What a control sees as `host`: the snapshot, the settings, and what a control would otherwise have to work out.

- every section of the snapshot (deploy/facts/posture/snapshot.py), under its own name;
- `settings`: the host's settings;
- `containers`: our running containers, [{name, component, release, live, uid, inspect, process}]: `process` is what the
  kernel says, `uid` the settings' user id, `live` whether it serves the door's requests;
- `daemon`: the engine's configuration file, {settings, loaded}: `loaded` whether the running engine has read it;
- `doors`: the certificates that the door shows, [{path, names, begun, days}]: `days` until the end;
- `room`: {logs, container, journal}: bytes that they may have on the disk; of a container 0 without a bound;
- `forwards`: whether its logs are to go to a remote syslog;
- `keyless`: the locations of Nginx's configuration, as they are written there, for which the gate is not asked.
A section that is null has its reason under `errors`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509

from deploy.settings.base import in_bytes
from deploy.settings.host import HostSettings

COMPONENTS = ("vision", "gate")

Seen = Mapping[str, Any]


class _Unseen(Exception):
    """A section that this one is made from was not read."""


def subject(snapshot: Seen, settings: HostSettings) -> dict[str, Any]:
    """What a control sees as `host`."""
    errors = dict(snapshot.get("errors") or {})
    seen = {**snapshot, "errors": errors}
    derived: dict[str, Callable[[], Any]] = {
        "docker": lambda: _engine(seen),
        "daemon": lambda: _daemon(seen),
        "containers": lambda: _containers(seen, {"vision": settings.vision.uid, "gate": settings.gate.uid}),
        "doors": lambda: _doors(seen),
        "keyless": lambda: _keyless(_section(seen, "files")["/etc/nginx/nginx.conf"]["content"]),
    }
    for name, derive in derived.items():
        try:
            seen[name] = derive()
        except (_Unseen, LookupError, TypeError, ValueError, AttributeError, x509.ExtensionNotFound) as error:
            seen[name] = None
            errors.setdefault(name, str(error) if isinstance(error, _Unseen) else f"{type(error).__name__}: {error}")
    logs = settings.logs
    room = {
        "logs": in_bytes(logs.max_total),
        "container": in_bytes(logs.container_max) if logs.container_max else 0,
        "journal": in_bytes(logs.journal_max),
    }
    chosen = {"settings": settings.model_dump(mode="json"), "room": room, "forwards": logs.forward is not None}
    return {**seen, **chosen}


def _section(seen: Seen, name: str) -> Any:
    if seen.get(name) is None:
        raise _Unseen(f"{name}: {(seen.get('errors') or {}).get(name, 'not in the snapshot')}")
    return seen[name]


def _engine(seen: Seen) -> dict[str, Any]:
    """An engine that is not there or does not answer is null: nothing about its networks and containers is known."""
    docker = dict(_section(seen, "docker"))
    if not docker.get("reachable"):
        raise _Unseen(docker.get("error") or "the engine is not installed")
    return docker


def _daemon(seen: Seen) -> dict[str, Any]:
    file = _section(seen, "files").get("/etc/docker/daemon.json")
    if file is None:
        return {"settings": {}, "loaded": True}
    return {
        "settings": json.loads(file["content"]),
        "loaded": file["ctime"] <= _section(seen, "units")["docker.service"]["changed"],
    }


def _containers(seen: Seen, uids: Mapping[str, int]) -> list[dict[str, Any]]:
    docker, processes, release = (_section(seen, name) for name in ("docker", "processes", "release"))
    found = []
    for name, inspect in sorted(docker["containers"].items()):
        labels = inspect["Config"].get("Labels") or {}
        component, of = labels.get("casemate.component"), labels.get("casemate.release")
        if component in COMPONENTS and inspect["State"]["Running"]:
            whose = {"name": name, "component": component, "release": of, "live": release["current"][component] == of}
            found.append({**whose, "uid": uids[component], "inspect": inspect, "process": processes[name]})
    return found


def _doors(seen: Seen) -> list[dict[str, Any]]:
    now = _section(seen, "resources")["time"]
    found = []
    for path, certificate in sorted(_section(seen, "certificates").items()):
        shown = x509.load_pem_x509_certificates(certificate["pem"].encode())[0]
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        days = int((shown.not_valid_after_utc.timestamp() - now) // 86400)
        begun = shown.not_valid_before_utc.timestamp() <= now
        found.append({"path": path, "names": names.get_values_for_type(x509.DNSName), "begun": begun, "days": days})
    return found


def _keyless(configuration: str) -> list[str]:
    found, location = [], "everywhere"
    for line in configuration.splitlines():
        words = line.strip()
        if words.startswith("location ") and words.endswith("{"):
            location = words.removeprefix("location ").removesuffix("{").strip()
        elif words.startswith("auth_request") and words.partition(";")[0].split()[1:] == ["off"]:
            found.append(location)
    return found
