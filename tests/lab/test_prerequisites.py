"""The script that `make demo` begins with, on fresh machines."""

import json
from collections.abc import Callable

import pytest

from deploy.lab.host import LabHost
from deploy.lab.lab import Lab
from deploy.paths import ROOT

pytestmark = pytest.mark.lab

# What a container with limits sees of itself; cgroup v1 and v2 keep the limit in different files.
_SEEN = """
import json, os, pathlib
status = pathlib.Path("/proc/self/status").read_text().splitlines()
limits = [pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), pathlib.Path("/sys/fs/cgroup/memory.max")]
try:
    pathlib.Path("/written").touch()
    written = True
except OSError:
    written = False
print(json.dumps({
    "uid": os.getuid(),
    "bounding": next(line.split()[1] for line in status if line.startswith("CapBnd")),
    "written": written,
    "memory": next(limit.read_text().strip() for limit in limits if limit.exists()),
}))
"""
_LIMITS = "--cap-drop ALL --read-only --memory 64m --pids-limit 16 --user 64010:64010 --security-opt no-new-privileges"


def test_they_make_a_bare_machine_able_to_run_hardened_containers(fresh_lab: Callable[[], Lab]) -> None:
    """On both releases; what is left then is what a deploy needs of a lab host: an engine inside that keeps limits."""
    script = (ROOT / "deploy/lab/prerequisites.sh").read_bytes()
    for host in fresh_lab().up(releases=["bookworm", "trixie"]):
        host.put("/root/prerequisites.sh", script)
        said = host.run("bash /root/prerequisites.sh").stderr
        assert "installing" in said
        assert "starting the Docker engine" in said
        assert host.run("bash /root/prerequisites.sh").stderr == "", "the second time there is nothing to do"
        assert host.run("systemctl is-system-running").stdout.strip() == "running"
        assert hardened(host) == {"uid": 64010, "bounding": "0" * 16, "written": False, "memory": str(64 << 20)}


def hardened(host: LabHost) -> dict[str, object]:
    """Run a container with limits in the host's own engine; its image is the host's own python3."""
    if host.release == "trixie":
        host.run("apt-get install -y -qq docker-cli")  # a package of its own there
    host.run("tar -C / -c --one-file-system usr/bin usr/lib usr/lib64 bin lib lib64 etc | docker import - tiny")
    host.put("/root/seen.py", _SEEN.encode())
    seen = host.run(f"docker run --rm -i --network none {_LIMITS} tiny python3 - </root/seen.py").stdout
    return dict(json.loads(seen))
