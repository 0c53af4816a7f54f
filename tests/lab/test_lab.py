"""A lab host is a real host to whoever deploys to it, and for nobody else."""

import subprocess
import sys
from pathlib import Path

import pytest
import testinfra

from deploy.lab.condition import condition
from deploy.lab.host import LabHost
from deploy.lab.keys import key_pair
from deploy.lab.lab import Lab
from deploy.paths import ROOT

pytestmark = pytest.mark.lab


def test_a_host_runs_systemd_without_a_failed_unit(lab_host: LabHost) -> None:
    found = condition(lab_host)
    assert (found["up"], found["systemd"], found["failed"]) == (True, "running", [])
    assert f"VERSION_CODENAME={lab_host.release}" in lab_host.run("cat /etc/os-release").stdout


def test_the_operator_is_not_root_and_may_become_it(over_ssh: testinfra.host.Host, lab_host: LabHost) -> None:
    assert over_ssh.user().name == "root"
    with over_ssh.sudo(lab_host.user):
        assert over_ssh.user().name == "ops"
    assert over_ssh.check_output("hostname") == lab_host.name


@pytest.mark.parametrize("user", ["root", "ops"])
def test_sshd_takes_keys_only_and_root_not_at_all(lab_host: LabHost, user: str) -> None:
    line = [word.replace("ops@", f"{user}@") for word in lab_host.ssh("true")]
    if user == "ops":
        line[1:1] = ["-o", "PubkeyAuthentication=no"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_only_the_pinned_host_key_is_accepted(lab_host: LabHost, tmp_path: Path) -> None:
    other = " ".join(key_pair(tmp_path / "other").split()[:2])
    pinned = tmp_path / "known_hosts"
    pinned.write_text(f"[{lab_host.record.address}]:{lab_host.record.ssh_port} {other}\n")
    line = [word.replace(str(lab_host.known_hosts), str(pinned)) for word in lab_host.ssh("true")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_nothing_is_published_beyond_loopback(lab_host: LabHost) -> None:
    ports = lab_host.container.attrs["NetworkSettings"]["Ports"]
    addresses = {binding["HostIp"] for bindings in ports.values() for binding in bindings or []}
    assert addresses == {"127.0.0.1"}


def test_hosts_are_neighbours_by_name(lab: Lab) -> None:
    first, second = lab.hosts
    greeting = first.run(f"exec 3<>/dev/tcp/{second.name}/22; head -c 4 <&3").stdout
    assert greeting == "SSH-"


def test_the_state_is_the_operators_alone(lab: Lab) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (lab.directory, *lab.directory.iterdir())}
    assert modes.pop(lab.directory.name) == 0o700
    assert set(modes.values()) == {0o600}, modes


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = [(host.container.id, host.record) for host in lab.hosts]
    assert [(host.container.id, host.record) for host in lab.up()] == before


def test_shell_passes_words_and_exit_status_on(lab_host: LabHost) -> None:
    words = ["sh", "-c", 'printf "%s|" "$@"; exit 7', "sh", "a  b", "$HOME"]
    program = (
        "from pathlib import Path; from deploy.lab import record; from deploy.cli.lab import lab; "
        f"record.DIRECTORY = Path({str(lab_host.directory)!r}); lab(['shell', {lab_host.name!r}, '--', *{words!r}])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "a  b|$HOME|"), done.stderr


def test_plain_pyinfra_reads_the_inventory(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "lab.py"
    file.write_text(
        "from pathlib import Path\nfrom deploy.lab.inventory import inventory\n"
        f"lab = (inventory(Path({str(lab.directory)!r})), {{'ssh_user': 'ops', '_sudo': True}})\n"
    )
    pyinfra = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [pyinfra, "-y", file, "exec", "--", "id", "-u"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(f"[{host.name}] 0" in done.stdout + done.stderr for host in lab.hosts)
