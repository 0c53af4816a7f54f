"""What the engine consists of, where it comes from, and what its configuration says."""

import json
from typing import Any

import pytest

from deploy.components.docker import CHECK, packages, repository
from deploy.operations.templates import render
from deploy.settings.docker import DockerSettings

BOOKWORM = {"id": "debian", "version_id": "12", "codename": "bookworm"}
TRIXIE = {"id": "debian", "version_id": "13", "codename": "trixie"}
NOBLE = {"id": "ubuntu", "version_id": "24.04", "codename": "noble"}
OWN = DockerSettings.model_validate({"source": "docker", "mirror": "https://mirror.example/linux"})

# 20.10 cannot check its configuration before it starts with it. So these are the keys that it knows, out of
# `dockerd --help` of 20.10.24 (plural where the option may be repeated, as its documentation says).
KNOWN_TO_20_10 = """
    allow-nondistributable-artifacts bip bridge cgroup-parent containerd data-root debug default-address-pools
    default-cgroupns-mode default-gateway default-ipc-mode default-runtime default-shm-size default-ulimits dns
    dns-opts dns-search exec-opts exec-root experimental features fixed-cidr group hosts icc init insecure-registries
    ip ip-forward ip-masq iptables ipv6 labels live-restore log-driver log-level log-opts max-concurrent-downloads
    metrics-addr mtu no-new-privileges pidfile registry-mirrors runtimes seccomp-profile selinux-enabled
    shutdown-timeout storage-driver storage-opts tls userland-proxy userns-remap
"""


def daemon(**changes: Any) -> dict[str, Any]:
    text = render("docker/daemon.json.j2", settings=DockerSettings.model_validate(changes))
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_the_configuration_has_only_keys_that_the_oldest_engine_knows() -> None:
    assert daemon().keys() <= {*KNOWN_TO_20_10.split()}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("icc", False),
        ("live-restore", True),
        ("no-new-privileges", True),
        ("userland-proxy", False),
        ("iptables", True),
        ("insecure-registries", []),
        ("log-level", "info"),
        ("default-runtime", "runc"),
        ("ip", "127.0.0.1"),
        ("dns", ["192.0.2.1"]),
    ],
)
def test_the_engine_is_closed_by_default(key: str, value: Any) -> None:
    assert daemon()[key] == value


def test_nothing_opens_the_engine() -> None:
    assert not daemon().keys() & {"hosts", "tls", "experimental", "userns-remap", "runtimes", "seccomp-profile"}


def test_logs_are_bounded_by_the_settings() -> None:
    found = daemon(log_max_size="64m", log_max_files=9)
    assert (found["log-driver"], found["log-opts"]) == ("local", {"max-file": "9", "max-size": "64m"})


@pytest.mark.parametrize(
    ("system", "engine"), [(BOOKWORM, ["docker.io"]), (TRIXIE, ["docker.io", "docker-cli"]), (NOBLE, ["docker.io"])]
)
def test_the_distributions_engine(system: dict[str, Any], engine: list[str]) -> None:
    assert packages(DockerSettings(), system) == [*engine, "iptables", "apparmor"]
    assert repository(DockerSettings(), system, None) is None


def test_dockers_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.components.docker.signing_key", lambda settings, distribution, on_host: distribution)
    assert packages(OWN, TRIXIE)[:3] == ["docker-ce", "docker-ce-cli", "containerd.io"]
    found = repository(OWN, NOBLE, None)
    assert found is not None
    assert (found.uri, found.suite, found.key) == ("https://mirror.example/linux/ubuntu", "noble", "ubuntu")


def test_the_check_names_the_new_file_once() -> None:
    assert CHECK.count("{}") == 1
