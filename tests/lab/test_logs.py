"""Logs are their writers' own, and are turned over without losing a line or writing one twice."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.components.logs import OWNERS
from deploy.facts.chained.logs import LOGS
from deploy.paths import ROOT
from tests.lab.deployment import CASEMATE, Deployment, eventually
from tests.lab.yard import Yard

pytestmark = pytest.mark.lab

LOG = "/var/log/casemate/vision/casemate-test.jsonl"
FILES = 4

# A writer of the user whom the container runs as, through the same library as the services; says how much it wrote.
_WRITE = f"""
import sys, time
sys.path.insert(0, "/opt/casemate/bin/casemate-ledger")
from pathlib import Path
from service.ledger import Ledger
log = Path("{LOG}")
ledger, end, count = Ledger(log), time.monotonic() + 120, 0
while (count <= 100 or len(list(log.parent.glob(log.name + "-2*"))) < {FILES}) and time.monotonic() < end:
    ledger.append({{"writer": sys.argv[1], "number": count}})
    count += 1
print(count)
"""

# The rules as deployed, but for whose logs: the services' own would be gone until somebody writes the next line.
_RULES = "/root/casemate-test.conf"
_ONLY_OURS = r"s#vision/\*#vision/casemate-test*#; s#/(gate|deploy|sentinel)/\*#/no-\1/*#"
_MAKE_RULES = f"sed -E '{_ONLY_OURS}' /etc/casemate/logs/logrotate.conf >{_RULES}"
_TURN_OVER = f"{_MAKE_RULES}; logrotate --force --state /root/casemate-test.state {_RULES}"

_SEALED = """python3 -c '
import fcntl, os, sys
for path in sys.argv[2:]:
    try:
        fd = os.open(path, os.O_RDONLY)
        flags = fcntl.ioctl(fd, 0x80086601, bytes(8))
    except OSError:
        continue
    if flags[0] & 0x10:
        print("immutable")
    if sys.argv[1] == "off":
        fcntl.ioctl(fd, 0x40086602, bytes([flags[0] & ~0x10]) + flags[1:])
'"""
"""What lsattr and chattr do: not every host has them."""


@pytest.fixture
def yard(deployed: Deployment) -> Iterator[Yard]:
    """The host, without what a test wrote into the log directory afterwards."""
    yard = Yard(deployed.host)
    yield yard
    yard.host.run(f"{_SEALED} off {LOG}*; rm -rf {LOG}* /root/casemate-test*")


def test_every_directory_is_its_writers_own(yard: Yard) -> None:
    found = yard.says("stat -c '%n %a %U %G' /var/log/casemate/*/").split("\n")
    wanted = {f"/var/log/casemate/{name}/ 750 {owner} {group}" for name, (owner, group) in OWNERS.items()}
    assert wanted <= set(found)
    for user, uid in (("casemate-vision", "64010"), ("casemate-gate", "64011")):
        assert yard.says(f"getent passwd {user}").split(":")[2:4] == [uid, uid]
        assert yard.host.run(f"su -s /bin/sh {user} -c 'ls /var/log/casemate/proxy'", check=False).status


def test_no_line_is_lost_or_doubled_while_logs_are_turned_over(yard: Yard) -> None:
    """Turned over as fast as file names allow, one a second, under two writers who do not pause until it was enough."""
    yard.host.run(f"cat >/run/casemate-test.py <<'CASEMATE'{_WRITE}CASEMATE")
    write = "runuser -u casemate-vision -- python3 /run/casemate-test.py"
    turn_over = f"while sleep 1; do {_TURN_OVER}; done"
    counts = yard.says(f"({turn_over}) >&2 & t=$!; {write} a & a=$!; {write} b; wait $a; kill $t").split()
    verdict = json.loads(yard.says(f"/opt/casemate/bin/casemate-ledger verify --json {LOG}"))
    assert verdict["findings"] == []
    assert verdict["lines"] == sum(map(int, counts)) > 200
    assert len(verdict["files"]) >= FILES, "it was turned over while they wrote"
    assert any(name.endswith(".gz") for name in verdict["files"]), "and compressed"
    assert {*yard.says(f"stat -c %U {LOG}*").split()} == {"casemate-vision"}


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
    assert "active" in timer.split()
    assert "OnCalendar=*-*-* *:00:00" in timer


def test_the_hourly_unit_seals_what_is_packed_and_removes_what_is_too_much(yard: Yard) -> None:
    """In its sandbox; the deploy journal is told. Where the container that is this host may not seal, that is said."""
    put = "echo x | runuser -u casemate-vision -- tee $f; touch -d @$d $f"
    yard.host.run(f"for d in 1 2 3; do f={LOG}-2020010$d-000000.gz; {put}; done")
    yard.host.run("systemctl start casemate-logrotate.service")
    sealed = yard.says(f"{_SEALED} see {LOG}-20200101-000000.gz") == "immutable\n"
    told = yard.says("journalctl -u casemate-logrotate -n 50 -o cat --no-pager")
    assert sealed or "could not be made immutable" in told
    unit = "/etc/systemd/system/casemate-logrotate.service"
    [command] = [line for line in yard.says(f"cat {unit}").split("\n") if line.startswith("ExecStopPost=")]
    retain = command.removeprefix("ExecStopPost=").replace("--keep 40", "--keep 2")
    yard.host.run(f"systemd-run --wait --pipe {retain}")
    assert not yard.says(f"ls {LOG}-20200101-000000.gz 2>/dev/null || true")
    assert yard.says(f"ls {LOG}-20200102-000000.gz {LOG}-20200103-000000.gz")
    last = json.loads(yard.says(f"tail -n 1 {LOGS['deploy']}"))
    assert (last["event"], last["files"][0]["why"]) == ("logs_removed", "keep")


def test_the_first_keys_are_not_on_a_deployed_host(deployed: Deployment, yard: Yard) -> None:
    assert yard.says("ls /var/log/casemate/*/*.key 2>/dev/null || true") == ""
    good = json_of(deployed, "verify")[deployed.host.name]
    assert {log: one["keyed"] for log, one in good.items()} == dict.fromkeys(LOGS, True)
    assert {log: one["proven"] is not None for log, one in good.items()} == dict.fromkeys(LOGS, True)


def test_root_who_writes_the_end_of_a_log_anew_is_found(deployed: Deployment, yard: Yard) -> None:
    """With the present key and the head, as who took the host over has them; then all is put back."""
    log = LOGS["gate"]
    append = "runuser -u casemate-gate -- /opt/casemate/bin/casemate-ledger append"
    yard.host.run(f'for n in 1 2 3; do echo \'{{"event": "casemate-test"}}\' | {append} {log}; done')
    yard.host.run(f"cp -p {log} {log}.head /root/")
    forge = f"""
import json, sys
sys.path.insert(0, "/opt/casemate/bin/casemate-ledger")
from pathlib import Path
from service.ledger.chain import fingerprint, seal, successor
log = Path("{log}")
head = json.loads(log.with_name(log.name + ".head").read_text())
*kept, last = log.read_bytes().splitlines()
old = json.loads(last)
forged = seal(old["seq"], old["time"], {{"event": "nothing-happened"}}, old["prev"], bytes.fromhex(head["key"]))
log.write_bytes(bytes([10]).join([*kept, forged]) + bytes([10]))
head["prev"] = fingerprint(forged)
log.with_name(log.name + ".head").write_text(json.dumps(head).ljust(255) + chr(10))
"""
    yard.host.run(f"cat >/root/casemate-test.py <<'CASEMATE'{forge}CASEMATE\npython3 /root/casemate-test.py")
    try:
        assert yard.host.run(f"/opt/casemate/bin/casemate-ledger verify {log}", check=False).status == 0, "unseen there"
        found = json_of(deployed, "verify", status=1)[deployed.host.name]["gate"]["findings"]
        assert [one["kind"] for one in found] == ["edited"]
    finally:
        yard.host.run(f"cat /root/gate.jsonl >{log}; cat /root/gate.jsonl.head >{log}.head; rm /root/gate.jsonl*")
    json_of(deployed, "verify")


def test_who_owns_a_log_directory_cannot_lead_root_by_a_link(yard: Yard) -> None:
    yard.host.run(f"echo mine >/root/casemate-test-secret; ln -s /root/casemate-test-secret {LOG}")
    yard.host.run(_TURN_OVER, check=False)
    assert yard.says("cat /root/casemate-test-secret") == "mine\n"


def test_nginx_opens_its_logs_anew(yard: Yard) -> None:
    """Its workers too: they write the lines, and open the new files by path as the user who they are."""
    files = 'for p in /proc/[0-9]*; do if [ "$(cat $p/comm 2>/dev/null)" = nginx ]; then readlink $p/fd/*; fi; done'
    opened = f"{files} | grep casemate/proxy | sort | uniq -c"
    before = yard.says(opened).split("\n")
    assert len(before) >= 2
    yard.host.run(f"for f in /var/log/casemate/proxy/*.jsonl; do echo '{{}}' >>$f; done; {_TURN_OVER}")
    yard.host.run("systemctl start casemate-logrotate")  # It seals what was packed past it.
    # To the names that Nginx is configured with.
    eventually(lambda: yard.says(opened).split("\n") == before)


def test_the_operator_sees_who_changed_a_log_and_where(deployed: Deployment) -> None:
    """The real logs of a deployed host, changed as root and put back."""
    host, name = Yard(deployed.host), deployed.host.name
    journal = LOGS["deploy"]
    good = json_of(deployed, "verify")[name]
    assert set(good) == set(LOGS)
    assert good["deploy"]["lines"] > 0
    assert good["vision"]["lines"] > 0, "the golden question is in it"
    assert good["deploy"]["keyed"]
    host.host.run(f"cp -p {journal} /root/casemate-test-journal")
    try:
        host.host.run(f'sed -i \'1s/"run"/"ruin"/\' {journal}')
        [finding, *_] = json_of(deployed, "verify", status=1)[name]["deploy"]["findings"]
        assert (finding["kind"], finding["where"].rpartition(":")[2]) == ("edited", "2"), "it or the line before"
        host.host.run(f"cat /root/casemate-test-journal >{journal}; sed -i '$d' {journal}")
        [cut, *_] = json_of(deployed, "verify", status=1)[name]["deploy"]["findings"]
        assert (cut["kind"], cut["where"]) == ("truncated", journal)
    finally:
        host.host.run(f"cat /root/casemate-test-journal >{journal}; rm /root/casemate-test-journal")
    json_of(deployed, "verify")


def test_the_operator_sees_the_last_lines_and_the_figures(deployed: Deployment) -> None:
    tail = casemate_logs(deployed, "tail", "-n", "1", "--json")
    line = json.loads(tail.stdout)
    assert (line["host"], line["event"], line["status"]) == (deployed.host.name, "request", 200)
    figures = json_of(deployed, "stats")["hosts"][deployed.host.name]
    assert figures["requests"] > 0
    assert figures["tokens_out"] > 0
    assert figures["seconds"]["first_token"]["p50"] > 0
    assert deployed.host.name in casemate_logs(deployed, "stats").stdout


def test_prometheus_s_figures_are_behind_the_door_for_who_has_a_key(deployed: Deployment) -> None:
    """Through the real door: a key from the lab opens, none does not."""
    record, state = deployed.host.record, deployed.lab.directory
    url = f"https://{record.name}.casemate.test:{record.https_port}/metrics"
    curl = ["curl", "-sS", "--cacert", str(ROOT / ".casemate/ca/ca.pem"), "-w", "%{http_code}", "--connect-to"]
    curl = [*curl, f"::{record.address}:{record.https_port}", url]
    key = (state / "api-key").read_text().strip()
    opened = subprocess.run([*curl, "-H", f"Authorization: Bearer {key}"], capture_output=True, text=True, check=True)
    assert opened.stdout.endswith("200")
    assert "casemate_vision_ready 1.0" in opened.stdout
    closed = subprocess.run(curl, capture_output=True, text=True, check=True)
    assert closed.stdout.endswith("401")
    assert "casemate_vision" not in closed.stdout


def casemate_logs(
    deployed: Deployment, verb: str, *arguments: str, status: int = 0
) -> "subprocess.CompletedProcess[str]":
    """`casemate logs VERB` on this host alone."""
    command = [CASEMATE, "logs", verb, deployed.inventory, "--limit", str(deployed.limit), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stdout + done.stderr
    return done


def json_of(deployed: Deployment, verb: str, status: int = 0) -> dict[str, Any]:
    """What it prints with --json."""
    found: dict[str, Any] = json.loads(casemate_logs(deployed, verb, "--json", status=status).stdout)
    return found


def test_the_journal_is_on_disk(yard: Yard) -> None:
    assert "Storage=persistent" in yard.says("systemd-analyze cat-config systemd/journald.conf").split()
    assert yard.says("ls /var/log/journal/$(cat /etc/machine-id)/system.journal")
