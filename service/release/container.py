"""A container from its signed specification: the arguments of the engine's `create`, and drift from them.

Pure functions; the deploy uses them too, to see on the operator's machine whether a host runs what was signed.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from service.release.manifest import canonical

REPLACED = "-replaced"
"""What the name of a container ends with that makes room for another one of its release."""
_GONE = "//deleted"
_SECOND = 1_000_000_000
_RETRIES = 3


def create_arguments(spec: dict[str, Any], release: str, model: str, image: str, seccomp: str | None) -> dict[str, Any]:
    """The body of `POST /containers/create`.

    `{release}` and `{model}` in the specification's strings become the release's id and the model's directory; `image`
    is the engine's id of the verified image; `seccomp` the profile's text. The label `casemate.spec` is the SHA-256 of
    all the rest.
    """
    wanted = _filled(spec, {"{release}": release, "{model}": model})
    labels = {"casemate.component": wanted["component"], "casemate.release": release}
    arguments = {
        "Image": image,
        "Hostname": wanted["component"],
        "User": wanted["user"],
        "Cmd": wanted["command"],
        "Env": [f"{key}={value}" for key, value in sorted(wanted["environment"].items())],
        "Labels": labels,
        "StopSignal": "SIGTERM",
        "StopTimeout": wanted["handover"]["drain_seconds"],
        "Healthcheck": {
            "Test": ["CMD", *wanted["health"]["command"]],
            "Interval": wanted["health"]["interval_seconds"] * _SECOND,
            "Timeout": wanted["health"]["timeout_seconds"] * _SECOND,
            "StartPeriod": wanted["handover"]["start_seconds"] * _SECOND,
            "Retries": _RETRIES,
        },
        "HostConfig": _host_config(wanted, seccomp),
    }
    return {**arguments, "Labels": {**labels, "casemate.spec": hashlib.sha256(canonical(arguments)).hexdigest()}}


def _host_config(wanted: dict[str, Any], seccomp: str | None) -> dict[str, Any]:
    restart, _, tries = wanted["restart"].partition(":")
    return {
        "NetworkMode": wanted["network"],
        "ReadonlyRootfs": wanted["read_only"],
        "CapDrop": wanted["capabilities_dropped"],
        "CapAdd": [],
        "Privileged": False,
        "SecurityOpt": ["no-new-privileges", *([] if seccomp is None else [f"seccomp={seccomp}"])],
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "PidsLimit": wanted["pids"],
        "Memory": wanted["memory"],
        "MemorySwap": wanted["memory"],
        "NanoCpus": round(wanted["cpus"] * _SECOND),
        "ShmSize": wanted["shm_size"],
        "Tmpfs": wanted["tmpfs"],
        "Sysctls": wanted["sysctls"],
        "Dns": wanted["dns"],
        "DnsSearch": ["."],
        "Ulimits": [{"Name": name, "Soft": value, "Hard": value} for name, value in sorted(wanted["ulimits"].items())],
        "Mounts": [
            {"Type": "bind", "Source": mount["source"], "Target": mount["target"]}
            | ({"ReadOnly": True} if mount["read_only"] else {})  # the engine shows no false
            for mount in wanted["mounts"]
        ],
        "Binds": [],
        "Devices": [],
        "DeviceRequests": _gpus(wanted["gpus"]),
        "PortBindings": {},
        "PublishAllPorts": False,
        "AutoRemove": False,
        "RestartPolicy": {"Name": restart, "MaximumRetryCount": int(tries or 0)},
        "LogConfig": {"Type": wanted["log"]["driver"], "Config": wanted["log"]["options"]},
    }


def _gpus(names: list[str]) -> list[dict[str, Any]]:
    return [{"Driver": "nvidia", "DeviceIDs": names, "Capabilities": [["gpu"]]}] if names else []


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, meaning in names.items():
            value = value.replace(name, meaning)
        return value
    if isinstance(value, dict):
        return {_filled(key, names): _filled(inner, names) for key, inner in value.items()}
    return [_filled(inner, names) for inner in value] if isinstance(value, list) else value


def drift(arguments: dict[str, Any], inspected: dict[str, Any]) -> list[str]:
    """Where a container is not what its arguments say, one sentence each; empty when it is.

    `inspected` is `docker container inspect`. Environment and command are covered by the label: nobody can change them
    in a container that exists. What `docker update` and `docker network connect` change is compared.
    """
    found = [*_different("", arguments["HostConfig"], inspected["HostConfig"])]
    for key in ("Image", "User", "Labels"):
        has = inspected["Image"] if key == "Image" else inspected["Config"].get(key)
        found += _different(key, arguments[key], has)
    networks = sorted(inspected["NetworkSettings"]["Networks"])
    return found + _different("networks", [arguments["HostConfig"]["NetworkMode"]], networks)


def exchanged(arguments: dict[str, Any], roots: Mapping[str, str]) -> list[str]:
    """Which of its directories are gone, one sentence each: a container keeps those that it was started with.

    `roots`: what is mounted at each target, as its mountinfo says.
    """
    targets = [mount["Target"] for mount in arguments["HostConfig"]["Mounts"]]
    return [f"{one}: got a directory that was exchanged" for one in targets if roots.get(one, "").endswith(_GONE)]


def _different(path: str, wanted: Any, has: Any) -> list[str]:
    if isinstance(wanted, dict) and wanted and isinstance(has, dict):
        return [
            line
            for key, value in wanted.items()
            for line in _different(f"{path}.{key}" if path else key, value, has.get(key))
        ]
    # The engine says null for an empty list, and for an empty object.
    if wanted == has or (wanted in ([], {}) and not has):
        return []
    return [f"{path}: got {_short(has)}, expected {_short(wanted)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 80 else f"{text[:60]}... ({len(text)} characters)"
