"""Logs are their writers' own, and are turned over without losing a line or writing one twice."""

import json
from collections.abc import Iterator

import pytest

from deploy.components.logs import OWNERS
from tests.lab.deployment import Deployment
from tests.lab.yard import Yard

pytestmark = pytest.mark.lab

LOG = "/var/log/casemate/vision/casemate-test.jsonl"
LINES = 4000

# Two writers of the user whom the container runs as, through the same library as the services.
_WRITE = f"""
import sys, time
sys.path.insert(0, "/opt/casemate/bin/casemate-ledger")
from pathlib import Path
from service.ledger import Ledger
ledger = Ledger(Path("{LOG}"))
for number in range({LINES // 2}):
    ledger.append({{"writer": sys.argv[1], "number": number}})
    time.sleep(0.0005)
"""
_TURN_OVER = "logrotate --force --state /root/casemate-test.state /etc/casemate/logs/logrotate.conf"


@pytest.fixture
def yard(deployed: Deployment) -> Iterator[Yard]:
    """The host, without what a test wrote into the log directory afterwards."""
    yard = Yard(deployed.host)
    yield yard
    yard.host.run(f"rm -rf {LOG}* /root/casemate-test*")


def test_every_directory_is_its_writers_own(yard: Yard) -> None:
    found = yard.says("stat -c '%n %a %U %G' /var/log/casemate/*/").split("\n")
    wanted = {f"/var/log/casemate/{name}/ 750 {owner} {group}" for name, (owner, group) in OWNERS.items()}
    assert wanted <= set(found)
    for user, uid in (("casemate-vision", "64010"), ("casemate-gate", "64011")):
        assert yard.says(f"getent passwd {user}").split(":")[2:4] == [uid, uid]
        assert yard.host.run(f"su -s /bin/sh {user} -c 'ls /var/log/casemate/proxy'", check=False).status


def test_no_line_is_lost_or_doubled_while_logs_are_turned_over(yard: Yard) -> None:
    """Turned over as fast as file names allow, one a second, under two writers who never pause."""
    yard.host.run(f"cat >/run/casemate-test.py <<'CASEMATE'{_WRITE}CASEMATE")
    for writer in ("a", "b"):
        run = f"runuser -u casemate-vision -- python3 /run/casemate-test.py {writer}"
        yard.host.run(f"systemd-run --quiet --collect --unit casemate-test-writer-{writer} {run}")
    busy = "systemctl is-active --quiet casemate-test-writer-a || systemctl is-active --quiet casemate-test-writer-b"
    yard.host.run(f"while {busy}; do {_TURN_OVER}; sleep 1; done")
    verdict = json.loads(yard.says(f"/opt/casemate/bin/casemate-ledger verify --json {LOG}"))
    assert verdict["findings"] == []
    assert (verdict["lines"], verdict["last"]) == (LINES, LINES - 1)
    assert len(verdict["files"]) >= 3, "it was turned over while they wrote"
    assert any(name.endswith(".gz") for name in verdict["files"]), "and compressed"
    assert yard.says(f"stat -c %U {LOG}*").split() == ["casemate-vision"] * len(yard.says(f"ls {LOG}*").split())


def test_the_ledger_would_notice_a_lost_line(yard: Yard) -> None:
    """The control of the test before: copytruncate would do this."""
    append = f"echo '{{}}' | runuser -u casemate-vision -- /opt/casemate/bin/casemate-ledger append {LOG}"
    yard.host.run(f"for _ in 1 2 3; do {append}; done; sed -i 2d {LOG}")
    assert yard.host.run(f"/opt/casemate/bin/casemate-ledger verify {LOG}", check=False).status == 1


def test_the_hourly_unit_turns_over_what_is_too_large_and_nothing_else(yard: Yard) -> None:
    """As systemd starts it: sandboxed, and for each directory as the user who owns it."""
    yard.host.run(f"runuser -u casemate-vision -- truncate -s 101M {LOG}; echo small >{LOG}.other.jsonl")
    yard.host.run("systemctl start casemate-logrotate.service")
    names = yard.says(f"ls {LOG}*").split()
    assert LOG not in names
    assert any(name.startswith(f"{LOG}-2") for name in names)
    assert f"{LOG}.other.jsonl" in names
    timer = yard.says("systemctl show casemate-logrotate.timer -P ActiveState -P TimersCalendar")
    assert timer.startswith("active\n")
    assert "OnCalendar=hourly" in timer


def test_who_owns_a_log_directory_cannot_lead_root_by_a_link(yard: Yard) -> None:
    yard.host.run(f"echo mine >/root/casemate-test-secret; ln -s /root/casemate-test-secret {LOG}")
    yard.host.run(_TURN_OVER, check=False)
    assert yard.says("cat /root/casemate-test-secret") == "mine\n"


def test_nginx_opens_its_logs_anew(deployed: Deployment, yard: Yard) -> None:
    directory = "/var/log/casemate/proxy"
    opened = "for f in /proc/$(cat /run/nginx.pid)/fd/*; do readlink $f; done | grep casemate/proxy | sort -u"
    before = yard.says(opened).split()
    assert before
    yard.host.run(f"echo '{{}}' >>{before[0]}; {_TURN_OVER}; sleep 1")
    assert yard.says(opened).split() == before, f"it writes to {directory} by the names it is configured with"


def test_the_journal_is_on_disk(yard: Yard) -> None:
    assert "Storage=persistent" in yard.says("systemd-analyze cat-config systemd/journald.conf").split()
    assert yard.says("ls /var/log/journal/$(cat /etc/machine-id)/system.journal")
