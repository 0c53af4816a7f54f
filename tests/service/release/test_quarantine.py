"""While a component is in quarantine, a release starts nothing, ends nothing and removes nothing of it."""

import pytest

from service.release.errors import ReleaseError
from service.release.handover import handover
from service.release.start import start_live, stop_all
from tests.service.release.conftest import Host
from tests.service.release.test_handover import only, serving


def hold(host: Host, component: str = "vision") -> None:
    host.layout.maintenance.mkdir(parents=True, exist_ok=True)
    (host.layout.maintenance / component).write_text("20261123-070000-4f2a\n")


@pytest.fixture
def held(host: Host) -> str:
    """The release that serves, of a component that is held."""
    old = host.deploy()
    hold(host)
    return str(old.id)


def test_no_handover_over_a_quarantine(host: Host, held: str) -> None:
    new = host.build(sequence=200, code=b"new")
    host.accept(new)
    with pytest.raises(ReleaseError, match=r"vision is in quarantine \(20261123-070000-4f2a: .*next: casemate"):
        host.handover(new)
    assert host.journal()["outcome"] == "failed"
    only(host, held)
    (host.layout.maintenance / "vision").unlink()
    host.handover(new)
    only(host, new.id)


def test_neither_start_nor_stop_of_what_is_held(host: Host, held: str) -> None:
    with pytest.raises(ReleaseError, match="nothing of it is started or ended"):
        start_live(host.layout, host.engine, "vision")
    with pytest.raises(ReleaseError, match="nothing of it is started or ended"):
        stop_all(host.layout, host.engine, "vision")
    only(host, held)


def test_another_component_goes_on(host: Host) -> None:
    hold(host, "gate")
    only(host, host.deploy().id)


@pytest.mark.parametrize("behaviour", ["right", "wrong"])
def test_a_quarantine_in_the_middle_of_a_handover_keeps_what_is_there(host: Host, behaviour: str) -> None:
    old = host.deploy()
    new = host.build(behaviour, sequence=200, code=b"new")
    host.accept(new)

    def say(sentence: str) -> None:
        if "Ask what it must know" in sentence:
            hold(host)

    with pytest.raises(ReleaseError, match="vision is in quarantine"):
        handover(host.layout, host.engine, "vision", new.id, say)
    assert sorted(host.double.containers) == sorted(f"casemate-vision-{one.id}" for one in (old, new))
    assert serving(host) == old.id
    assert host.state()["live"]["vision"] == old.id
