"""Containers of ours, in a real engine that is stopped, frozen and restarted here."""

import os
import signal
from collections.abc import Iterator

import pytest

from service.sentinel.configuration import Configuration
from service.sentinel.configuration import Containers as Watched
from service.sentinel.containers import Containers
from service.sentinel.docker import Docker, DockerError
from tests.freezing import freeze
from tests.service.sentinel.engine import NEEDED, RELEASE, Engine, until

pytestmark = NEEDED
CONFIGURATION = Configuration(sets=(), containers=Watched(may_change={"vision": ("/var/cache/*",)}))


@pytest.fixture
def containers(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Containers]:
    """What they find without being told to look, an event of the engine has told."""
    monkeypatch.setattr("service.sentinel.containers._LOOK_ANYWAY", 3600.0)
    made = Containers(CONFIGURATION, engine.socket)
    made.start()
    yield made
    made.close()


def test_a_new_container_is_there_as_soon_as_the_engine_tells(engine: Engine, containers: Containers) -> None:
    assert containers.roots() == []
    containers.changed.clear()
    name = engine.container("vision")
    assert containers.changed.wait(20)
    until(lambda: name in containers.found() and containers.found()[name].running, "the container")
    one = containers.found()[name]
    assert (one.component, one.release, one.paused) == ("vision", RELEASE, False)
    kinds = [root.kind for root in containers.roots()]
    assert kinds == ["upper", "lower", "lower", "merged"]
    assert {root.container for root in containers.roots()} == {name}
    assert all(os.path.isdir(root.path) for root in containers.roots())


def test_containers_of_others_are_none_of_ours(engine: Engine, containers: Containers) -> None:
    engine.run("run", "-d", "--name", "hands-test-other", "hands-test-shell", "sleep", "1000")
    containers.look()
    assert containers.found() == {}


def test_without_a_watch_set_there_is_nothing_to_watch_but_somebody_to_pause(engine: Engine) -> None:
    name = engine.container("vision")
    unwatched = Containers(Configuration(sets=()), engine.socket)
    unwatched.look()
    assert unwatched.roots() == []
    assert name in unwatched.found()


def test_what_a_container_writes_is_told_with_the_path_that_it_sees(engine: Engine, containers: Containers) -> None:
    name = engine.container("vision")
    containers.look()
    layers = containers.found()[name].layers
    assert layers
    assert layers.merged
    engine.inside(name, "echo bad > /app/shell.py; rm /etc/passwd; mkdir -p /var/cache/x; echo ok > /var/cache/x/y")
    for root in (layers.upper, layers.merged):
        [meaning] = containers.meanings(root + b"/app/shell.py")
        assert (meaning.container, meaning.inside, meaning.shows) == (name, b"/app/shell.py", "this")
        assert not meaning.expected
        assert containers.meanings(root + b"/etc/passwd")[0].shows == "removed"
        assert containers.meanings(root + b"/var/cache/x/y")[0].expected
    assert containers.backing(layers.merged + b"/app/shell.py") == layers.upper + b"/app/shell.py"
    assert containers.backing(b"/etc/passwd") == b"/etc/passwd"
    assert containers.meanings(b"/etc/passwd") == []


def test_a_write_of_the_host_into_a_layer_is_the_container_s(engine: Engine, containers: Containers) -> None:
    vision, gate = engine.container("vision"), engine.container("gate")
    containers.look()
    layers = containers.found()[vision].layers
    assert layers
    planted = layers.lowers[-1] + b"/app/planted"
    with open(planted, "wb") as file:
        file.write(b"x")
    found = containers.meanings(planted)
    os.unlink(planted)
    assert {(one.container, one.inside, one.shows, one.expected) for one in found} == {
        (vision, b"/app/planted", "this", False),
        (gate, b"/app/planted", "this", False),
    }


def test_what_the_engine_makes_at_the_start_is_expected_and_no_more(engine: Engine, containers: Containers) -> None:
    name = engine.container("vision", "--read-only", "--tmpfs=/tmp", "-v", "/tmp:/data/deep/mount", "--network=none")
    containers.look()
    layers = containers.found()[name].layers
    assert layers
    upper = os.fsdecode(layers.upper)
    made = [os.path.join(place, one) for place, *inner in os.walk(upper) for names in inner for one in names]
    assert f"{upper}/data/deep/mount" in made
    assert all(containers.meanings(os.fsencode(one))[0].expected for one in made)
    for place in ("data/deep/shell", "tmp/shell", "shell"):
        path = f"{upper}/{place}"
        with open(path, "w"):
            assert not containers.meanings(os.fsencode(path))[0].expected
    os.chmod(f"{upper}/data", 0o777)
    assert not containers.meanings(layers.upper + b"/data")[0].expected


def test_a_stopped_container_keeps_its_roots_but_the_mount(engine: Engine, containers: Containers) -> None:
    name = engine.container("vision")
    until(lambda: len(containers.roots()) == 4, "the container")
    before = containers.roots()
    engine.run("stop", name)
    until(lambda: len(containers.roots()) == 3, "the end")
    assert containers.roots() == before[:3]
    engine.run("start", name)
    until(lambda: len(containers.roots()) == 4, "the start")
    assert containers.roots()[3].path == before[3].path
    assert containers.roots()[3] != before[3]  # mounted anew: whoever watched the old mount must watch this one
    engine.run("rm", "-f", name)
    until(lambda: containers.roots() == [], "the removal")


def test_a_replaced_container_is_found_by_its_new_directories(engine: Engine, containers: Containers) -> None:
    name = engine.container("vision")
    until(lambda: name in containers.found(), "the container")
    before = {root.path for root in containers.roots()}
    engine.run("rm", "-f", name)
    engine.container("vision")
    until(lambda: not before & {root.path for root in containers.roots() if root.kind == "merged"}, "the new one")
    assert name in containers.found()


def test_a_process_tells_its_container(engine: Engine, containers: Containers) -> None:
    name = engine.container("vision")
    containers.look()
    assert containers.of_process(engine.inspected(name)["State"]["Pid"]) == name
    assert containers.of_process(os.getpid()) is None
    assert containers.of_process(2**22 + 1) is None


@pytest.mark.parametrize("restored", [True, False])
def test_a_restart_of_the_engine_hides_nothing(engine: Engine, containers: Containers, restored: bool) -> None:
    name = engine.container("vision", "--restart=unless-stopped", "--network=none")
    until(lambda: len(containers.roots()) == 4, "the container")
    before = containers.roots()
    engine.stop()
    containers.look()
    assert containers.trouble
    assert containers.roots() == before
    if not restored:
        os.kill(containers.found()[name].inspected["State"]["Pid"], signal.SIGKILL)
    engine.start()
    until(lambda: containers.trouble is None, "the engine")
    until(lambda: name in containers.found() and containers.found()[name].running, "the container")
    assert containers.roots()[:3] == before[:3]
    assert (containers.roots() == before) == restored
    engine.run("stop", name)
    until(lambda: not containers.found()[name].running, "an event of the new engine")


def test_without_an_engine_there_is_trouble_in_words(tmp_path: object) -> None:
    containers = Containers(CONFIGURATION, tmp_path / "docker.sock")  # type: ignore[operator]
    containers.start()
    assert containers.roots() == []
    assert containers.trouble is not None
    assert "did not answer" in containers.trouble
    containers.close()


def test_a_frozen_engine_is_not_waited_for_for_ever(engine: Engine) -> None:
    assert engine.daemon
    freeze(engine.daemon.pid)
    docker = Docker(engine.socket, timeout=0.3)
    with pytest.raises(DockerError, match=r"did not answer.*timed out.*next: systemctl status docker"):
        docker.containers()
    with pytest.raises(DockerError, match="told no events"):
        docker.events()
    engine.daemon.send_signal(signal.SIGCONT)


def test_the_engine_s_own_sentence_is_in_the_error(engine: Engine) -> None:
    docker = Docker(engine.socket)
    assert docker.container("hands-test-nobody") is None
    with pytest.raises(DockerError, match="No such container: hands-test-nobody") as caught:
        docker.pause("hands-test-nobody")
    assert caught.value.status == 404
