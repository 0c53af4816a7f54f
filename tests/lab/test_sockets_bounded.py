"""Whoever takes over a container cannot fill the host's /run by its socket's directory; in a plain directory he can."""

import pytest

from tests.lab.deployment import Deployment, eventually
from tests.lab.yard import answers, containers, says, verdict

pytestmark = pytest.mark.lab

MIB = 1 << 20
ATTACK = 64 * MIB
NAMES = 4096
CONTROL = "containers-cannot-fill-run"
_PLAIN = "/run/casemate-test"
# As the container's user, first of all without its socket. Prints the bytes and the names that it got.
_FILL = f"""
import os, sys
os.chdir(sys.argv[1])
for name in os.listdir():
    os.unlink(name)
junk, got, names = os.open("junk", os.O_RDWR | os.O_CREAT), 0, 1
try:
    while got < {ATTACK}:
        os.posix_fallocate(junk, got, 4096)
        got += 4096
except OSError:
    pass
try:
    while names < {NAMES}:
        os.close(os.open(f"junk{{names}}", os.O_RDWR | os.O_CREAT))
        names += 1
except OSError:
    pass
print(got, names)
"""


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_an_attacker_fills_his_own_socket_s_directory_and_not_run(deployed: Deployment, component: str) -> None:
    host, [container] = deployed.host, containers(deployed, component)
    user, there = container["Config"]["User"], f"/run/{component}"
    host.run(f"cat >/root/fill.py <<'CASEMATE'{_FILL}CASEMATE\ninstall -d -m 0750 -o {user.split(':')[0]} {_PLAIN}")
    walls = f"--rm -i --network none --cap-drop ALL --user {user} --volume {_PLAIN}:{there} {container['Image']}"
    got = says(host, f"docker run {walls} python3 - {there} </root/fill.py; rm -r {_PLAIN}").split()
    assert got == [str(ATTACK), str(NAMES)], "the control: a directory of /run is his"

    assert verdict(deployed, CONTROL) == "passed"
    before = taken(deployed)
    size, names = says(host, f"docker exec -i {container['Id']} python3 - {there} </root/fill.py").split()
    assert int(size) <= 64 << 10
    assert int(names) < 16
    assert taken(deployed) - before < MIB
    run = 'python3 -c \'import os; os.chmod("junk", 0o700); os.execv("./junk", ["junk"])\''
    refused = host.run(f"docker exec --workdir {there} {container['Id']} {run}", check=False).stderr
    assert "Permission denied" in refused, "what he brings along does not run"
    # Whether somebody answers meanwhile is chance: Nginx keeps connections for a while.
    socket, current = f"{component}.sock", f"/run/casemate/{component}/current/"
    assert socket not in says(host, f"ls {current}").split()

    host.run(f"systemctl restart casemate-{component}")
    eventually(lambda: answers(deployed), 90)  # Nginx sees what was mounted while it ran.
    assert says(host, f"ls {current}").split() == [socket]


def taken(one: Deployment) -> int:
    """Bytes of /run."""
    return int(says(one.host, "df -B1 --output=used /run | tail -n 1"))
