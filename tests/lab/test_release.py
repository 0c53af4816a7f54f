"""A host lets in what is signed and whole, and nothing else; what runs meanwhile goes on running."""

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.lab.deployment import Deployment
from tests.lab.yard import planned

pytestmark = pytest.mark.lab

PROGRAM = "/opt/casemate/bin/casemate-release"


@pytest.fixture
def one(fleet: Deployment) -> Deployment:
    """The first host: what is tested here does not depend on the distribution."""
    return fleet.of("lab1")


@pytest.fixture(scope="module", autouse=True)
def _restored(fleet: Deployment) -> Iterator[None]:
    """The tests leave other settings behind; whoever comes next finds the usual ones."""
    yield
    fleet.casemate("deploy")


def live(deployment: Deployment) -> str:
    """The release that serves; fails when it does not answer."""
    vision = json.loads(deployment.host.run(f"{PROGRAM} status").stdout)["components"]["vision"]
    assert vision["ready"]
    assert vision["door"] == vision["live"]
    return str(vision["live"])


def refused(deployment: Deployment, prepare: str, because: str) -> None:
    """A copy of the live release, changed by `prepare`, is refused for this reason, and the live one goes on."""
    before, host = live(deployment), deployment.host
    copy = "/var/lib/casemate/incoming/copy"
    host.run(f"rm -rf {copy}; cp -r /var/lib/casemate/releases/{before} {copy}; cd {copy}; {prepare}")
    done = host.run(f"{PROGRAM} accept {copy}", check=False)
    host.run(f"rm -rf {copy}")
    assert done.status == 1
    assert because in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert live(deployment) == before


def test_a_tampered_manifest_is_refused(deployed: Deployment) -> None:
    refused(deployed, "sed -i 's/64010:64010/0:0/' manifest.json", "the signature of")


def test_an_unsigned_manifest_is_refused(deployed: Deployment) -> None:
    refused(deployed, "rm manifest.json.sig", "an unsigned release is not accepted")


def test_another_key_is_refused(deployed: Deployment) -> None:
    sign = "ssh-keygen -q -t ed25519 -N '' -f key && ssh-keygen -q -Y sign -f key -n casemate-release-v1 manifest.json"
    refused(deployed, f"rm manifest.json.sig; {sign}", "is by no key in /etc/casemate/release/allowed_signers")


def test_an_older_release_comes_back_only_by_a_rollback(one: Deployment) -> None:
    old = live(one)
    one.casemate("deploy", "--only", "release", "--only", "vision", "--data", "vision.max_new_tokens=60")
    new = live(one)
    assert new != old
    place = f"/var/lib/casemate/releases/{old}"
    done = one.host.run(f"{PROGRAM} accept {place}", check=False)
    assert (done.status, "older than what this host accepted" in done.stderr) == (1, True)
    assert one.host.run(f"{PROGRAM} handover vision {old}", check=False).status == 1
    assert live(one) == new
    one.host.run(f"{PROGRAM} accept --rollback {place} && {PROGRAM} handover vision {old}")
    assert live(one) == old


def test_tampered_weights_never_start_and_are_sent_again(one: Deployment) -> None:
    before = live(one)
    weights = one.host.run("ls /var/lib/casemate/models/*/model.safetensors").stdout.split()[0]
    one.host.run(f"chmod u+w {weights} && printf poison | dd of={weights} bs=1 seek=4096 conv=notrunc status=none")
    done = one.host.run(f"{PROGRAM} handover vision {before}", check=False)
    assert done.status == 3
    assert "is not the signed model.safetensors" in done.stderr
    assert live(one) == before
    said = one.casemate("deploy", "--data", "vision.max_new_tokens=59").stderr
    assert "is not the signed model.safetensors" in said
    assert live(one) != before
    source = one.host.run(f"sha256sum {weights}").stdout.split()[0]
    signed = json.loads(one.host.run(f"cat /var/lib/casemate/releases/{live(one)}/manifest.json").stdout)
    assert source == signed["model"]["files"]["model.safetensors"]["sha256"]


def test_a_container_does_not_keep_the_weights_that_were_put_right(one: Deployment) -> None:
    one.casemate("deploy")
    host, release = one.host, live(one)
    weights = host.run("ls /var/lib/casemate/models/*/model.safetensors").stdout.split()[0]

    def mounted() -> str:
        """The directory of weights that the container has, by its inode."""
        pid = host.run(f"docker inspect -f '{{{{.State.Pid}}}}' casemate-vision-{release}").stdout.strip()
        return host.run(f"stat -c %d:%i /proc/{pid}/root/models/*/").stdout.strip()

    before = mounted()
    host.run(f"chmod u+w {weights} && printf poison | dd of={weights} bs=1 seek=4096 conv=notrunc status=none")
    one.casemate("deploy")
    assert live(one) == release
    assert mounted() == host.run(f"stat -c %d:%i $(dirname {weights})").stdout.strip() != before
    assert planned(one) == []


def test_a_cut_transfer_goes_on_where_it_was(one: Deployment) -> None:
    content = hashlib.sha256(b"seed").digest() * 400_000
    digest = hashlib.sha256(content).hexdigest()
    receive = ("sudo", PROGRAM, "receive", digest, "--size", str(len(content)))
    cut = subprocess.Popen(one.host.ssh(*receive), stdin=subprocess.PIPE)
    assert cut.stdin
    cut.stdin.write(content[: len(content) * 2 // 3])
    cut.stdin.flush()
    while not (there := json.loads(one.host.run(f"{PROGRAM} have").stdout)["partial"].get(digest, 0)):
        time.sleep(0.1)
    cut.kill()
    cut.wait()
    # The host may not have noticed yet that the first connection is dead: the second takes over.
    subprocess.run(one.host.ssh(*receive, "--offset", "1"), stdin=subprocess.DEVNULL, check=False)
    there = json.loads(one.host.run(f"{PROGRAM} have").stdout)["partial"][digest]
    assert 0 < there < len(content)
    subprocess.run(one.host.ssh(*receive, "--offset", str(there)), input=content[there:], check=True)
    assert digest in json.loads(one.host.run(f"{PROGRAM} have").stdout)["blobs"]
    one.host.run(f"rm /var/lib/casemate/blobs/{digest}")


def test_what_is_there_does_not_travel(one: Deployment) -> None:
    said = one.casemate("deploy", "--data", "vision.max_new_tokens=58").stderr
    assert "MB to send" not in said
