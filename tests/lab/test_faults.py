"""What goes wrong ends in one clear sentence and a non-zero exit; nothing is lost, and what ran goes on."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.paths import ROOT
from tests.lab.deployment import Deployment, eventually, said_until
from tests.lab.sentinels import swept, until_calm, verb

pytestmark = pytest.mark.lab

PICTURE = "service/micro/demo.png"


@pytest.fixture
def one(fleet: Deployment) -> Deployment:
    """The first host: what is tested here does not depend on the distribution."""
    return fleet.of("lab1")


def answers(deployment: Deployment) -> bool:
    return deployment.casemate("ask", PICTURE, "What shape is this?", status=None).returncode == 0


def test_a_wrong_host_key_is_refused(one: Deployment, tmp_path: Path) -> None:
    other = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    line = one.host.known_hosts.read_text().split()[0]
    (tmp_path / "known_hosts").write_text(f"{line} {' '.join((tmp_path / 'key.pub').read_text().split()[:2])}\n")
    done = one.casemate("deploy", "--data", f"ssh_known_hosts_file={tmp_path}/known_hosts", status=1)
    assert "SSH host key" in done.stderr
    assert "is not the pinned one" in done.stderr


def test_a_user_without_sudo_is_told_so(one: Deployment) -> None:
    one.host.run("useradd -m plain; cp -a ~ops/.ssh ~plain/ && chown -R plain: ~plain/.ssh")
    try:
        done = one.casemate("deploy", "--data", "ssh_user=plain", status=1)
        assert "plain may not become root" in done.stderr
        assert "Next: " in done.stderr
        assert "plain may not become root" in one.casemate("plan", "--data", "ssh_user=plain", status=1).stderr
    finally:
        # His session's own systemd ends when it likes, and until then userdel refuses.
        one.host.run("while pkill -KILL -u plain; do sleep 0.1; done; userdel -r plain")
        # What he leaves in backups of /etc/passwd and the like nobody announced: the sentinel is told.
        swept(one)
        verb(one, "baseline", "accept", "--all", "--reason", "a test's user came and went")
        until_calm(one)


def test_too_small_a_host_is_refused_with_all_shortfalls_at_once(one: Deployment) -> None:
    done = one.casemate("deploy", "--data", "proxy.port=22", "--data", "preflight.min_memory_gb=9000", status=1)
    assert "22 is held by sshd" in done.stderr
    assert "memory" in done.stderr
    assert answers(one)


def test_a_second_deploy_names_the_holder(one: Deployment) -> None:
    first = one.start("deploy", "--data", "vision.max_new_tokens=63")
    try:
        for _ in said_until(first, "ok"):
            pass
        done = one.casemate("deploy", status=1)
        assert "a deploy is under way by" in done.stderr
    finally:
        _, said = first.communicate(timeout=240)
    assert first.returncode == 0, said
    one.casemate("deploy")


def test_a_cut_connection_is_completed_by_the_next_run(one: Deployment) -> None:
    """Cut in the hand-over: the service answers throughout, and the next run ends what the first began."""
    cut = one.start("deploy", "--data", "vision.max_new_tokens=62")
    for _ in said_until(cut, "changed"):
        pass
    one.host.run("pkill -KILL -f '^sshd: ops' || pkill -KILL -u ops sshd")
    _, said = cut.communicate(timeout=120)
    assert cut.returncode == 1
    assert "Traceback" not in said
    eventually(lambda: answers(one))
    [host] = one.json("deploy", "--data", "vision.max_new_tokens=62")["hosts"].values()
    assert host["failed"] == 0
    [host] = one.json("deploy", "--data", "vision.max_new_tokens=62")["hosts"].values()
    assert host["changed"] == 0
    assert answers(one)
    one.casemate("deploy")


def test_a_release_that_answers_wrongly_never_goes_into_service(one: Deployment) -> None:
    before = one.json("status")["lab1"]["release"]
    done = one.casemate(
        "deploy", "--data", "vision.golden.answer=a purple elephant", "--data", "vision.max_new_tokens=61", status=1
    )
    assert "golden" in done.stderr
    assert one.json("status")["lab1"]["release"] == before
    assert answers(one)
    one.casemate("deploy")


def test_no_key_and_a_wrong_key(one: Deployment) -> None:
    wrong = {**os.environ, "CASEMATE_API_KEY": "csm_lab_" + "A" * 43 + "000000"}
    done = one.casemate("ask", PICTURE, "What shape is this?", status=1, environment=wrong)
    assert done.stdout == ""
    assert "key" in done.stderr
    absent = one.casemate("ask", PICTURE, "?", "--data", "gate.api_key_file=/nonexistent/key", status=None)
    assert absent.returncode != 0
    assert "key" in absent.stderr


def test_a_picture_that_is_none(one: Deployment, tmp_path: Path) -> None:
    text = tmp_path / "cat.jpg"
    text.write_text("not a picture")
    done = one.casemate("ask", str(text), "What is this?", status=None)
    assert done.returncode in (1, 2)
    assert "cat.jpg" in done.stderr
    broken = tmp_path / "broken.png"
    broken.write_bytes((ROOT / PICTURE).read_bytes()[:200])
    done = one.casemate("ask", str(broken), "What is this?", status=1)
    assert done.stdout == ""


def test_a_run_killed_at_many_points_is_completed_by_the_next(bare: Deployment) -> None:
    """SIGKILL on the operator's side after every fourth change of a first deploy."""
    for _ in range(30):
        run = bare.start("deploy")
        assert run.stderr is not None
        seen = 0
        for line in run.stderr:
            seen += "changed" in line
            if seen == 4:
                run.kill()
                break
        run.communicate(timeout=600)
        if run.returncode == 0:
            break
        assert run.returncode == -9, "only our own kill may end a run"
    [host] = bare.json("deploy")["hosts"].values()
    assert (host["changed"], host["failed"]) == (0, 0)
    assert answers(bare)
