"""The door of a deployed host, knocked at from outside, and its sandbox looked at from inside."""

import json
import re
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.door import door_of
from deploy.settings.load import InventoryHost, load_inventory
from tests.lab.deployment import Deployment, eventually

pytestmark = pytest.mark.lab

LOG = "/var/log/casemate/proxy/access.jsonl"
MASTER = "$(systemctl show -p MainPID --value nginx)"


def settings(deployed: Deployment) -> InventoryHost:
    """The host as an operator's inventory has it."""
    [host] = load_inventory(deployed.inventory, (), (deployed.host.name,))
    return host


def knock(deployed: Deployment, request: str, name: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """One request without a key, over verified TLS; status, headers (names in lower case) and body."""
    there = door_of(settings(deployed), 60)
    context = ssl.create_default_context(cafile=str(there.ca))
    plain = socket.create_connection((there.address, there.port), timeout=30)
    with context.wrap_socket(plain, server_hostname=name or there.server_name) as connection:
        connection.sendall(f"{request}\r\nHost: {there.server_name}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body


def answers(deployed: Deployment) -> bool:
    """Does the door ask the gate, and the gate answer?"""
    return knock(deployed, "GET /v1/models HTTP/1.1")[0] == 401


def test_it_stands_in_its_sandbox(deployed: Deployment) -> None:
    shown = deployed.host.run("systemd-analyze security nginx --no-pager | tail -1").stdout
    exposure = re.search(r"[0-9]+\.[0-9]", shown)
    assert exposure, shown
    assert float(exposure[0]) <= 5
    worker = deployed.host.run(f"cat /proc/$(pgrep -P {MASTER} | head -1)/status").stdout
    assert re.search(r"^CapEff:\t0+$", worker, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", worker, re.MULTILINE)
    assert re.search(r"^Uid:\t33\t33\t33\t33$", worker, re.MULTILINE)


@pytest.mark.parametrize("place", ["/var/lib/casemate/proxy/spool", "/etc/nginx", "/run", "/usr/share/nginx"])
def test_nothing_but_its_logs_can_be_written_there(deployed: Deployment, place: str) -> None:
    """As root in the unit's own view of the files; the same outside, where it can, is the control."""
    inside = deployed.host.run(f"nsenter -t {MASTER} -m touch {place}/casemate-test", check=False)
    assert "Read-only file system" in inside.stderr
    deployed.host.run(f"touch {place}/casemate-test && rm {place}/casemate-test")


def test_the_key_is_in_no_log_and_readable_by_root_alone(deployed: Deployment) -> None:
    assert deployed.host.run("stat -c '%a %U' /etc/casemate/proxy/server.pem").stdout == "600 root\n"
    assert deployed.host.run("su -s /bin/sh www-data -c 'cat /etc/casemate/proxy/server.pem'", check=False).status


def test_the_distributions_site_is_not_served(deployed: Deployment) -> None:
    deployed.host.run("test -e /etc/nginx/sites-enabled/default")
    status, headers, body = knock(deployed, "GET / HTTP/1.1")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>casemate</title>" in body
    status, _, body = knock(deployed, "GET /index.html HTTP/1.1")
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")


def test_only_who_knows_the_name_is_talked_to(deployed: Deployment) -> None:
    there = door_of(settings(deployed), 60)
    blind = ssl._create_unverified_context()
    for name in (None, "localhost"):
        plain = socket.create_connection((there.address, there.port), timeout=10)
        with pytest.raises(ssl.SSLError):
            blind.wrap_socket(plain, server_hostname=name)
    assert answers(deployed)


def test_a_frozen_gate_is_503_at_once_and_heals(deployed: Deployment) -> None:
    gate = "$(docker ps -q --filter label=casemate.component=gate)"
    deployed.host.run(f"docker pause {gate}")
    try:
        began = time.monotonic()
        status, headers, body = knock(deployed, "GET /v1/models HTTP/1.1")
        assert time.monotonic() - began < 10, "Nginx waits for two seconds; left to itself it would wait for sixty"
        assert (status, json.loads(body)["error"]["code"]) == (503, "unavailable")
        assert int(headers["retry-after"]) > 0
    finally:
        deployed.host.run(f"docker unpause {gate}")
    eventually(lambda: answers(deployed), seconds=10)
    # The engine calls who was paused unhealthy until it looks again, which it does every 30 seconds.
    healthy = f"test $(docker inspect --format '{{{{.State.Health.Status}}}}' {gate}) = healthy"
    eventually(lambda: deployed.host.run(healthy, check=False).status == 0, seconds=60)


def opened(deployed: Deployment, file: str) -> int:
    """How many of Nginx's processes, its master and four workers, write to this file."""
    fds = "/proc/$(cat /run/nginx/nginx.pid)/fd/* $(pgrep -P $(cat /run/nginx/nginx.pid) | sed 's#.*#/proc/&/fd/*#')"
    return deployed.host.run(f"readlink {fds} || true").stdout.split("\n").count(file)


def test_no_line_is_lost_when_the_log_is_turned_over(deployed: Deployment) -> None:
    """The workers, who are not root, open the new file too."""
    deployed.host.run(f"mv {LOG} {LOG}.old; kill -USR1 $(cat /run/nginx/nginx.pid)")
    eventually(lambda: opened(deployed, LOG) == 5 and not opened(deployed, f"{LOG}.old"))
    lines = f"cat {LOG}.old | wc -l; cat {LOG} | wc -l"
    old, new = map(int, deployed.host.run(lines).stdout.split())
    for _ in range(12):
        assert answers(deployed)
    eventually(lambda: deployed.host.run(lines).stdout.split() == [str(old), str(new + 12)])
    deployed.host.run(f"rm {LOG}.old")


def test_a_renewed_certificate_is_shown_without_a_restart(deployed: Deployment) -> None:
    def serial() -> Any:
        there = door_of(settings(deployed), 60)
        context = ssl.create_default_context(cafile=str(there.ca))
        plain = socket.create_connection((there.address, there.port), timeout=10)
        with context.wrap_socket(plain, server_hostname=there.server_name) as connection:
            certificate = connection.getpeercert()
        assert certificate
        return certificate["serialNumber"]

    master, before = deployed.host.run(f"echo {MASTER}").stdout, serial()
    host = settings(deployed)
    (Path(host.settings.proxy.ca) / "hosts" / f"{host.name}.pem").unlink()
    deployed.casemate("deploy", "--only", "proxy")
    eventually(lambda: serial() != before)
    assert deployed.host.run(f"echo {MASTER}").stdout == master
