"""Lines go to the remote syslog whole and once, also when a log directory becomes a file system in between."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.facts.chained.logs import LOGS
from deploy.lab.host import LabHost
from deploy.lab.lab import Lab
from deploy.lab.machine import has_loop_devices
from deploy.lab.rootfs import RELEASES
from tests.lab.deployment import Deployment, eventually, inventory_file
from tests.lab.yard import Yard, changed, says, verdict

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not has_loop_devices(), reason="this machine has no loop devices to lend"),
]

WRITERS = ("vision", "gate")
CONTROL = "logs-are-forwarded-where-that-was-asked"
_TAKEN = "/root/casemate-test-taken"
_TAKE = f"""
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/syslog.pem")
door = context.wrap_socket(socket.create_server(("127.0.0.1", 6514)), server_side=True)
open(sys.argv[1], "w").close()
while True:
    with door.accept()[0].makefile("rb") as stream, open("{_TAKEN}", "ab", buffering=0) as taken:
        while length := b"".join(iter(lambda: stream.read(1).strip(), b"")):
            taken.write(stream.read(int(length)).split(b" - - - ", 1)[1] + b"\\n")
"""


def write(host: LabHost, component: str, count: int) -> None:
    append = f"runuser -u casemate-{component} -- /opt/casemate/bin/casemate-ledger append {LOGS[component]}"
    host.run(f'for n in $(seq {count}); do echo \'{{"event": "casemate-test"}}\' | {append}; done')


def written(host: LabHost, component: str) -> list[str]:
    """Lines of its log, turned-over files first."""
    log = LOGS[component]
    return says(host, f"cat $(ls {log}-2* 2>/dev/null) $(ls {log} 2>/dev/null) </dev/null").splitlines()


def taken(host: LabHost, component: str) -> list[str]:
    """Those of them that the remote side has."""
    lines = set(written(host, component))
    return [line for line in says(host, f"cat {_TAKEN}").splitlines() if line in lines]


def all_taken_once(host: LabHost) -> None:
    for component in WRITERS:
        lines = written(host, component)
        eventually(lambda component=component, lines=lines: len(taken(host, component)) >= len(lines), 30)
    host.run("sleep 2")  # Time for one that comes twice.
    for component in WRITERS:
        assert taken(host, component) == written(host, component)


def test_no_line_is_lost_or_doubled_when_a_log_directory_becomes_a_file_system(
    fresh_lab: Callable[[], Lab], tmp_path: Path
) -> None:
    new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=logs.test -addext subjectAltName=DNS:logs.test"
    papers = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "ca.pem")]
    subprocess.run([*new.split(), *papers], check=True, capture_output=True)
    lab = fresh_lab()
    lab.up(releases=RELEASES)
    fleet = Deployment(lab, inventory_file(tmp_path, lab))
    data = tmp_path / "group_data" / "lab.py"
    forward = {"host": "127.0.0.1", "name": "logs.test", "ca": str(tmp_path / "ca.pem")}
    settings = f'{data.read_text()}\nlogs["forward"] = {forward}\n'
    data.write_text(f'{settings}\nlogs["container_max"] = None\n')
    for host in lab.hosts:
        host.put("/root/syslog.pem", (tmp_path / "key.pem").read_bytes() + (tmp_path / "ca.pem").read_bytes())
        host.run(f"touch {_TAKEN}")
        Yard(host).start("casemate-test-syslog", _TAKE)
    fleet.casemate("deploy", "--only", "logs")
    for host in lab.hosts:
        for component in WRITERS:
            write(host, component, 20)
        all_taken_once(host)

    data.write_text(settings)
    fleet.casemate("deploy", "--only", "logs")
    for host in lab.hosts:
        assert says(host, "findmnt -rn -t ext4 -o TARGET /var/log/casemate/vision").strip()
        for count in (1, 20):
            for component in WRITERS:
                write(host, component, count)
            all_taken_once(host)
        assert verdict(fleet.of(host.name), CONTROL, status=1) == "passed"
        host.run("systemctl stop casemate-forward")
        assert verdict(fleet.of(host.name), CONTROL, status=1) == "failed"
        for component in WRITERS:
            write(host, component, 1)
        host.run("systemctl start casemate-forward")
        all_taken_once(host)
        assert changed(fleet.of(host.name), "--only", "logs") == 0
