"""The container behind its walls, and the change from one to the next without a moment of silence."""

import json
import shlex
from collections.abc import Iterator

import pytest

from deploy.operations.configuration import SECCOMP
from tests.lab.deployment import Deployment, eventually, said_until
from tests.lab.test_release import PROGRAM, live
from tests.lab.yard import containers

pytestmark = pytest.mark.lab

ASK_WITHOUT_END = """
import json, socket, time
asked = silent = 0
end = time.time() + 600
open("/run/asking", "w").close()
while time.time() < end:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect("/run/casemate/vision/current/vision.sock")
            client.sendall(b"GET /healthz HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n")
            silent += b" 200 " not in client.recv(64)
        except OSError:
            silent += 1
        asked += 1
    json.dump({"asked": asked, "silent": silent}, open("/run/asked.new", "w"))
    import os; os.replace("/run/asked.new", "/run/asked")
    time.sleep(0.02)
"""

SPARE_CALLS = """
import ctypes, os
call = ctypes.CDLL(None, use_errno=True).syscall
numbers = {"io_uring_setup": (425, 1, 0), "userfaultfd": (323, 0), "keyctl": (250, 0, -3, 0), "bpf": (321, 0, 0, 0),
           "perf_event_open": (298, 0, 0, -1, -1, 0), "unshare": (272, 0x10000000), "ptrace": (101, 0, 0, 0, 0),
           "AF_VSOCK": (41, 40, 1, 0), "AF_ALG": (41, 38, 5, 0), "AF_PACKET": (41, 17, 3, 0),
           "mknod": (133, b"/tmp/x", 0o10600, 0)}
for name, arguments in numbers.items():
    ctypes.set_errno(0)
    call(*arguments)
    print(name, ctypes.get_errno())
"""


@pytest.fixture
def one(fleet: Deployment) -> Deployment:
    """The first host: what is tested here does not depend on the distribution."""
    return fleet.of("lab1")


@pytest.fixture(scope="module", autouse=True)
def _restored(fleet: Deployment) -> Iterator[None]:
    """The tests leave other settings behind; whoever comes next finds the usual ones."""
    yield
    fleet.casemate("deploy")


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_the_walls_stand(deployed: Deployment, component: str) -> None:
    [container] = containers(deployed, component)
    at = f"/proc/{container['State']['Pid']}"
    status = dict(
        line.split(":\t", 1) for line in deployed.host.run(f"cat {at}/status").stdout.splitlines() if ":\t" in line
    )
    assert {status[key].strip() for key in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == [{"vision": "64010", "gate": "64011"}[component]] * 4
    assert deployed.host.run(f"tail -n +2 {at}/net/route; ls {at}/root/sys/class/net").stdout.split() == ["lo"]
    mounts = [line.split() for line in deployed.host.run(f"cat {at}/mountinfo").stdout.splitlines()]
    options = {line[4]: line[5].split(",") for line in mounts}
    assert "ro" in options["/"]
    assert {"noexec", "nosuid", "nodev"} <= {*options["/tmp"]}
    assert [path for path in options if "docker.sock" in path] == []
    assert deployed.host.run(f"cat {at}/limits | grep 'core file'").stdout.split()[4:6] == ["0", "0"]
    assert container["HostConfig"]["Memory"] == container["HostConfig"]["MemorySwap"] > 0
    assert container["HostConfig"]["PortBindings"] in (None, {})


def test_spare_system_calls_are_refused_and_without_the_filter_are_not(deployed: Deployment) -> None:
    image = containers(deployed)[0]["Image"]
    deployed.host.put("/root/filter.json", SECCOMP.read_bytes())
    results = {}
    for name in ("/root/filter.json", "unconfined"):
        options = f"--rm --network none --cap-drop ALL --security-opt no-new-privileges --security-opt seccomp={name}"
        command = f"docker run {options} {image} python3 -c {shlex.quote(SPARE_CALLS)}"
        results[name] = dict(line.split() for line in deployed.host.run(command).stdout.splitlines())
    assert {*results["/root/filter.json"].values()} == {"1"}  # EPERM, whatever the call
    let_through = {call for call, error in results["unconfined"].items() if error != "1"}
    assert {"io_uring_setup", "keyctl", "ptrace", "mknod"} <= let_through


def test_somebody_always_answers_while_releases_change(deployed: Deployment) -> None:
    host = deployed.host
    host.put("/root/ask.py", ASK_WITHOUT_END.encode())
    host.run("rm -f /run/asking /run/asked; systemd-run --quiet --collect --unit=asking python3 /root/ask.py")
    try:
        eventually(lambda: host.run("test -e /run/asked", check=False).status == 0)
        before = live(deployed)
        deployed.casemate("deploy", "--data", "vision.max_new_tokens=57", "--data", "vision.handover=overlap")
        assert live(deployed) != before
        told = json.loads(host.run("cat /run/asked").stdout)
        assert told["asked"] > 50
        assert told["silent"] == 0
        assert json.loads(host.run("cat /var/lib/casemate/releases/handover-vision.json").stdout)["mode"] == "overlap"
    finally:
        host.run("systemctl stop asking", check=False)


def test_the_old_one_comes_back_where_memory_holds_one(one: Deployment) -> None:
    before = live(one)
    wrong = ("--data", "vision.golden.answer=a purple elephant", "--data", "vision.handover=stop-first")
    done = one.casemate("deploy", *wrong, status=1)
    assert f"{before} serves as before" in done.stderr
    assert live(one) == before


def test_a_killed_handover_is_undone_by_the_host_itself(one: Deployment) -> None:
    before = live(one)
    run = one.start("deploy", "--data", "vision.handover=stop-first", "--data", "vision.max_new_tokens=56")
    for _ in said_until(run, "Start the new container"):
        pass
    one.host.run("kill -KILL $(systemctl show --property MainPID --value casemate-handover-vision)")
    _, said = run.communicate(timeout=300)
    assert run.returncode == 1
    assert "Traceback" not in said
    eventually(lambda: live(one) == before, seconds=60)
    assert len(containers(one)) == 1


def test_a_handover_outlives_who_asked_for_it(one: Deployment) -> None:
    before = live(one)
    new = ("--data", "vision.handover=overlap", "--data", "vision.max_new_tokens=55")
    run = one.start("deploy", *new)
    for _ in said_until(run, "Start the new container"):
        pass
    run.kill()
    run.communicate()
    eventually(lambda: live(one) != before, seconds=90)
    [host] = one.json("deploy", *new)["hosts"].values()
    assert host["failed"] == 0
    assert len(containers(one)) == 1


def test_what_a_hand_changed_is_shown_and_put_right(one: Deployment) -> None:
    one.casemate("deploy")
    [container] = containers(one)
    limit = container["HostConfig"]["Memory"]
    one.host.run(f"docker update --memory 3g --memory-swap 3g {container['Id']}")
    shown = one.casemate("plan", "--exit-code", status=1).stderr
    assert f"Memory: got 3221225472, expected {limit}" in shown
    one.casemate("deploy")
    assert containers(one)[0]["HostConfig"]["Memory"] == limit


def test_it_serves_again_after_a_boot(one: Deployment) -> None:
    before = live(one)
    one.host.run("systemctl stop casemate-vision casemate-gate")
    assert not any(container["State"]["Running"] for container in containers(one))
    one.host.run("umount $(findmnt -rn -t tmpfs -o TARGET | grep ^/run/casemate/)")
    one.host.run("rm -r /run/casemate/vision /run/casemate/gate; systemd-tmpfiles --create")
    one.host.run("systemctl start casemate-vision casemate-gate")
    assert live(one) == before


def test_a_release_that_does_not_hold_does_not_start_at_boot(one: Deployment) -> None:
    before = live(one)
    manifest = f"/var/lib/casemate/releases/{before}/manifest.json"
    one.host.run(
        f"cp {manifest} /root/manifest; sed -i 's/64010:64010/0:0/' {manifest}; systemctl stop casemate-vision"
    )
    assert one.host.run("systemctl start casemate-vision", check=False).status != 0
    assert "the signature of" in one.host.run("journalctl -u casemate-vision -n 20 --no-pager").stdout
    assert not any(container["State"]["Running"] for container in containers(one))
    one.host.run(f"cp /root/manifest {manifest}; systemctl start casemate-vision")
    assert live(one) == before
    one.host.run(f"{PROGRAM} status")
