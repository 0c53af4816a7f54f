"""A handover killed anywhere: where memory holds both something always serves, and the next run leaves one whole."""

import itertools
import os
import shutil
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from service.release import manifest, state
from service.release.errors import ReleaseError
from service.release.start import start_live
from tests.service.release.conftest import Host
from tests.service.release.test_handover import only, serving

pytestmark = pytest.mark.long

STEPS = {"socket.connect", "os.rename", "os.symlink", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"}
"""Events of Python's audit hook: each request to the engine or a container, each change of a directory."""


def killed(at: int, action: Callable[[], None]) -> bool:
    """Run `action` in a process that dies without a word before its step number `at`; False when it had fewer steps."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, _: object) -> None:
            nonlocal seen
            if event in STEPS:
                if seen == at:
                    os._exit(137)
                seen += 1

        sys.addaudithook(hook)
        try:
            action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 137


def admit(host: Host, release: SimpleNamespace) -> None:
    with state.changed(host.layout) as now:
        now.admitted = release.id


def again(host: Host, old: SimpleNamespace, new: SimpleNamespace) -> None:
    host.handover(new)
    only(host, new.id)


def back(host: Host, old: SimpleNamespace, new: SimpleNamespace) -> None:
    admit(host, old)
    host.handover(old)
    only(host, old.id)


def boot(host: Host, old: SimpleNamespace, new: SimpleNamespace) -> None:
    start_live(host.layout, host.engine, "vision")
    only(host, host.state()["live"]["vision"])


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh-keygen takes most of the time, and is not what is tested here."""
    monkeypatch.setattr(manifest, "_signature", lambda *_: None)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
@pytest.mark.parametrize("offset", range(3))
@pytest.mark.parametrize("mode", ["overlap", "stop-first"])
def test_killed_anywhere(host: Host, unsigned: None, mode: str, offset: int) -> None:
    settings = {"mode": mode, "start_seconds": 5, "drain_seconds": 1}
    old, new = (host.deploy(sequence=n, code=b"%d" % n, handover=settings) for n in (1, 2))
    for at in itertools.count(offset, 3):
        back(host, old, old)
        admit(host, new)
        if not killed(at, lambda: host.handover(new)):
            break
        if mode == "overlap":
            assert serving(host) in (old.id, new.id), f"nothing served after step {at}"
        (again, back, boot)[at // 3 % 3](host, old, new)
    assert at > 40


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
@pytest.mark.parametrize("mode", ["overlap", "stop-first"])
def test_killed_while_going_back(host: Host, unsigned: None, mode: str) -> None:
    settings = {"mode": mode, "start_seconds": 5, "drain_seconds": 1}
    old = host.deploy(handover=settings)
    bad = host.build("wrong", sequence=200, handover=settings)
    host.accept(bad)
    for at in itertools.count(0, 4):
        if not killed(at, lambda: host.handover(bad)):
            break
        if mode == "overlap":
            assert serving(host) == old.id
        with pytest.raises(ReleaseError, match=f"{old.id} serves as before"):
            host.handover(bad)
        only(host, old.id)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_killed_while_a_changed_container_is_replaced(host: Host, unsigned: None) -> None:
    release = host.deploy()
    name = f"casemate-vision-{release.id}"
    for at in itertools.count(0, 2):
        host.double.containers[name]["HostConfig"]["Memory"] = 99
        if not killed(at, lambda: host.handover(release)):
            break
        host.handover(release)
        only(host, release.id)
        assert host.double.containers[name]["HostConfig"]["Memory"] == 1 << 30


def test_boot_stops_what_does_not_hold(host: Host) -> None:
    release = host.deploy()
    (host.layout.releases / release.id / "manifest.json.sig").unlink()
    with pytest.raises(ReleaseError, match="unsigned"):
        start_live(host.layout, host.engine, "vision")
    assert serving(host) is None


def test_boot_with_nothing_in_service(host: Host) -> None:
    with pytest.raises(ReleaseError, match="deploy one"):
        start_live(host.layout, host.engine, "vision")


def test_boot_after_the_sockets_are_gone(host: Host) -> None:
    release = host.deploy()
    host.double._stop(f"casemate-vision-{release.id}", {})
    shutil.rmtree(host.layout.sockets("vision"))
    host.layout.sockets("vision").mkdir()
    start_live(host.layout, host.engine, "vision")
    only(host, release.id)
