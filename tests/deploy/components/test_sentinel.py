"""What the sentinel is told to watch, and the walls of its unit."""

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.components.sentinel import CA, SECRET, configuration, unit_file
from deploy.settings.sentinel import SentinelSettings
from deploy.settings.watched import WATCHED
from service.sentinel.configuration import Configuration, WatchSet, read


def settings(**changes: Any) -> SentinelSettings:
    return SentinelSettings.model_validate(changes)


def as_read(tmp_path: Path, **changes: Any) -> Configuration:
    """As the daemon reads what the deploy writes."""
    (tmp_path / "sentinel.json").write_text(configuration(settings(**changes)))
    return read(tmp_path / "sentinel.json")


def of(found: Configuration, name: str) -> WatchSet:
    return next(one for one in found.sets if one.name == name)


def set_of(found: Configuration, path: str) -> str | None:
    """Whose the path is: of the roots above it, the longest."""
    roots = [(root, one.name) for one in found.sets for root in one.roots if fnmatch(f"{path}/", f"{root}/*")]
    return max(roots, key=lambda pair: len(pair[0]))[1] if roots else None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/etc/casemate/sentinel/sentinel.json", "sentinel"),
        ("/opt/casemate/bin/casemate-sentinel", "sentinel"),
        ("/etc/systemd/system/casemate-sentinel.service.d/override.conf", "sentinel"),
        ("/opt/casemate/bin/casemate-release", "programs"),
        ("/usr/local/bin/backdoor", "programs"),
        ("/var/lib/casemate/models/glm-1/model.safetensors", "weights"),
        ("/var/lib/casemate/blobs/0123", "weights"),
        ("/etc/docker/daemon.json", "engine"),
        ("/etc/nvidia-container-runtime/config.toml", "engine"),
        ("/etc/cdi/nvidia.yaml", "engine"),
        ("/etc/containerd/config.toml", "engine"),
        ("/etc/nginx/conf.d/more.conf", "nginx"),
        ("/etc/casemate/proxy/server.pem", "keys"),
        ("/etc/casemate/network/casemate.nft", "casemate"),
        ("/etc/ssh/sshd_config.d/10-open.conf", "access"),
        ("/root/.ssh/authorized_keys", "access"),
        ("/home/ops/.ssh/authorized_keys", "access"),
        ("/etc/sudoers.d/ops", "access"),
        ("/etc/pam.d/sshd", "access"),
        ("/etc/shadow", "users"),
        ("/etc/systemd/system/evil.service", "units"),
        ("/etc/systemd/system/docker.service.d/evil.conf", "units"),
        ("/usr/lib/systemd/system/evil.service", "units"),
        ("/etc/cron.d/evil", "cron"),
        ("/var/spool/cron/crontabs/root", "cron"),
        ("/etc/ld.so.preload", "preload"),
        ("/etc/modprobe.d/evil.conf", "modules"),
        ("/var/log/syslog", None),
        ("/etc/.casemate.Ab12Cd34/daemon.json", None),
    ],
)
def test_every_place_has_its_set(tmp_path: Path, path: str, name: str | None) -> None:
    assert set_of(as_read(tmp_path), path) == name


def test_a_host_that_a_user_visited_is_no_alert(tmp_path: Path) -> None:
    exclude = of(as_read(tmp_path), "access").exclude
    assert any(fnmatch("/home/ops/.ssh/known_hosts", pattern) for pattern in exclude)
    assert not any(fnmatch("/home/ops/.ssh/authorized_keys", pattern) for pattern in exclude)


def test_a_set_of_the_operator_s_comes_and_one_of_ours_changes_in_what_is_named(tmp_path: Path) -> None:
    mine = {"severity": "low", "roots": ["/srv/site"], "content": "metadata"}
    found = as_read(tmp_path, sets={"site": mine, "weights": {"reaction": "isolate"}})
    assert of(found, "site") == WatchSet("site", "low", ("/srv/site",), (), "metadata", "alert")
    weights = of(found, "weights")
    assert (weights.reaction, weights.severity, weights.roots) == ("isolate", "critical", WATCHED["weights"]["roots"])
    assert {one.name for one in found.sets} == {*WATCHED, "site"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"sets": {"site": {"severity": "low"}}},
        {"sets": {"site": {"roots": ["/srv"]}}},
        {"sets": {"site": {"severity": "low", "roots": ["srv"]}}},
        {"sets": {"site": {"severity": "low", "roots": ["/srv/../etc"]}}},
        {"sets": {"site": {"severity": "low", "roots": ["/tmp/site"]}}},
        {"sets": {"site": {"severity": "low", "roots": ["/usr/lib/modules"]}}},
        {"sets": {"containers": {"severity": "low", "roots": ["/srv"]}}},
        {"sets": {"weights": {"reaction": "delete"}}},
        {"containers": {"may_change": {"database": ["/var"]}}},
        {"syslog": {"host": "logs", "protocol": "tcp", "ca": "/ca.pem"}},
        {"webhook": {"url": "alerts.example.org"}},
        {"heartbeat_seconds": 0},
    ],
)
def test_what_could_not_be_watched_or_told_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_secrets_are_named_by_the_file_that_they_lie_in(tmp_path: Path) -> None:
    chosen = {
        "webhook": {"url": "https://alerts.example.org/a", "secret": "/secret"},
        "syslog": {"host": "logs.example.org", "ca": "/ca.pem"},
        "alertmanager": {"url": "https://am.example.org"},
    }
    outlets = as_read(tmp_path, **chosen).outlets
    assert outlets.webhook == {"url": "https://alerts.example.org/a", "secret_file": SECRET}
    assert outlets.syslog == {"host": "logs.example.org", "port": 6514, "protocol": "tls", "ca_file": CA}
    assert outlets.alertmanager == {"url": "https://am.example.org/"}
    assert "/secret" not in json.dumps(outlets.webhook).replace(SECRET, "")


def test_who_tells_nobody_outside_has_no_network() -> None:
    alone, heard = unit_file(settings()), unit_file(settings(alertmanager={"url": "https://am.example.org"}))
    assert "PrivateNetwork=yes" in alone.splitlines()
    assert "PrivateNetwork=yes" not in heard.splitlines()
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in heard.splitlines()


def test_what_it_writes_is_all_that_it_may_write() -> None:
    [writable] = [line for line in unit_file(settings()).splitlines() if line.startswith("ReadWritePaths=")]
    assert writable.partition("=")[2].split() == [
        "/var/lib/casemate/sentinel",
        "/var/log/casemate/sentinel",
        "/run/casemate/sentinel",
        "/var/lib/casemate/maintenance",
    ]
