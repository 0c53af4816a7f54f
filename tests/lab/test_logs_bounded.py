"""Whoever takes over a container cannot fill the host's disk by its log directory; without the bound he can."""

import json
import re
from pathlib import Path

import pytest

from deploy.lab.machine import has_loop_devices
from deploy.operations.file_system import file_of, mount_unit
from tests.lab.deployment import Deployment, eventually
from tests.lab.sentinels import LOG, alerts_since, now, plant, verb
from tests.lab.yard import PICTURE, answers, changed, says, verdict

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not has_loop_devices(), reason="this machine has no loop devices to lend"),
]

LOGS = "/var/log/casemate/vision"
MIB = 1 << 20
BOUND, ATTACK = 160 * MIB, 512 * MIB
CONTROL = "containers-cannot-fill-the-disk-with-logs"
# As the container's user, with what its system call filter lets through: a file that is open and has no name any more,
# a hidden one, one that is allocated and never written, and names alone. Prints the bytes that it got, and what was
# free then; in the end nothing is.
_FILL = f"""
import os
held, got = [], 0
def write(fd, at, size):
    os.write(fd, bytes(size))
def grow(name, size, take):
    global got
    fd, at = os.open(f"/var/log/vision/{{name}}", os.O_RDWR | os.O_CREAT), 0
    held.append(fd)
    try:
        while got < {ATTACK} and at <= {ATTACK} // 3:
            take(fd, at, size)
            at, got = at + size, got + size
    except OSError:
        pass
grow("gone", {MIB}, write)
os.unlink("/var/log/vision/gone")
grow(".hidden", {MIB}, write)
grow("junk", {MIB}, os.posix_fallocate)
try:
    for number in range(1 << 16 if got < {ATTACK} else 0):
        os.close(os.open(f"/var/log/vision/junk{{number}}", os.O_RDWR | os.O_CREAT))
except OSError:
    pass
seen = os.statvfs("/var/log/vision")
print(got, seen.f_bavail * seen.f_frsize)
os.close(held[0])
for size in ({MIB}, 4096):
    grow("junk0", size, lambda fd, at, size: os.posix_fallocate(fd, os.fstat(fd).st_size, size))
"""
_CLEAN = f"find {LOGS} -name 'junk*' -delete -o -name .hidden -delete"


def attack(one: Deployment) -> tuple[int, int]:
    """Bytes that an attacker in vision's container got, and what he saw free in the end."""
    one.host.run(f"cat >/root/fill.py <<'CASEMATE'{_FILL}CASEMATE")
    name = says(one.host, "docker ps --filter label=casemate.component=vision --format '{{.Names}}'").strip()
    got, free = says(one.host, f"docker exec -i {name} python3 - </root/fill.py").split()
    return int(got), int(free)


def lines(one: Deployment) -> int:
    """Of vision's log, all found good."""
    found = json.loads(verb(one, "logs", "verify", "--json").stdout)[one.host.name]["vision"]
    assert found["findings"] == []
    return int(found["lines"])


def test_an_attacker_fills_his_own_logs_and_nobody_else_s_disk(bare: Deployment) -> None:
    """First without the bound: the attack succeeds. Then a deploy gives it one, and keeps what was there."""
    data = Path(bare.inventory).parent / "group_data" / "lab.py"
    bounded = data.read_text()
    data.write_text(re.sub(r'"container_max": "\w+"', '"container_max": None', bounded))
    bare.casemate("deploy")
    assert attack(bare)[0] >= ATTACK, "the control: without the bound the disk is his"
    bare.host.run(_CLEAN)
    assert answers(bare)
    before = lines(bare)

    data.write_text(bounded)
    assert verdict(bare, CONTROL) != "passed"
    seq = now(bare)
    assert changed(bare) > 0
    assert verdict(bare, CONTROL) == "passed"
    assert alerts_since(bare, seq) == [], "the deploy announced what it did"
    assert lines(bare) >= before, "old lines are kept"
    assert says(bare.host, f"ls -d {LOGS}*").split() == [LOGS, file_of(LOGS)]
    assert changed(bare) == 0

    disk = "df -B1 --output=avail /var/log | tail -n 1"
    free = int(says(bare.host, disk))
    got, left = attack(bare)
    assert got < BOUND
    assert left < MIB
    assert free - int(says(bare.host, disk)) < 16 * MIB, "what is beside it has its room"
    eventually(lambda: not answers(bare), 60)  # The last block of its log has room for a line or two.
    refused = bare.casemate("ask", PICTURE, "What shape is this?", status=1)
    assert "the audit log takes no line" in refused.stderr
    assert plant(bare, "/usr/local/bin/casemate-test", "touch /usr/local/bin/casemate-test"), f"{LOG} goes on"
    assert bare.host.run("systemctl start casemate-logrotate.service", check=False).status, "the operator is told"
    assert f"{LOGS} is full" in says(bare.host, "journalctl -u casemate-logrotate -n 50 -o cat --no-pager")

    bare.host.run(f"rm /usr/local/bin/casemate-test; {_CLEAN}")
    eventually(lambda: answers(bare), 60)
    assert lines(bare) > before

    unit = f"/etc/systemd/system/{mount_unit(LOGS)}"
    bare.host.run(f"sed -i s/,noexec// {unit}; systemctl daemon-reload; mount -o remount,exec {LOGS}")
    assert changed(bare) > 0
    assert "noexec" in says(bare.host, f"findmnt -n -o OPTIONS -M {LOGS}"), "a mounted one gets its unit's options"
    assert changed(bare) == 0


def test_who_cannot_mount_them_has_no_directory_to_write_to(deployed: Deployment) -> None:
    """What lies beneath the file system is root's: a line that went there would be hidden later."""
    beneath = json.loads(
        says(
            deployed.host,
            "mkdir -p /run/casemate-test && mount --bind /var/log/casemate /run/casemate-test && "
            'stat -c \'["%U", "%a"]\' /run/casemate-test/vision; umount /run/casemate-test; rmdir /run/casemate-test',
        )
    )
    assert beneath == ["root", "700"]
