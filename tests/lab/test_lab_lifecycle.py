"""A lab comes to the state asked for, whatever it was in, and goes without a trace."""

import subprocess
from collections.abc import Callable

import pytest

from deploy.lab.engine import engine
from deploy.lab.errors import LabError
from deploy.lab.lab import Lab

pytestmark = pytest.mark.lab


def test_a_bare_host_has_no_engine_yet(fresh_lab: Callable[[], Lab]) -> None:
    [host] = fresh_lab().up()
    assert host.run("command -v docker dockerd nginx", check=False).stdout == ""


def test_a_host_keeps_its_ports_and_keys_over_a_restart(fresh_lab: Callable[[], Lab]) -> None:
    lab = fresh_lab()
    [host] = lab.up()
    host.container.restart()
    [again] = lab.up()
    assert (again.container.id, again.record) == (host.container.id, host.record)
    assert subprocess.run(host.ssh("true"), check=False).returncode == 0


def test_a_dead_host_is_made_anew_and_its_neighbour_left_alone(fresh_lab: Callable[[], Lab]) -> None:
    lab = fresh_lab()
    dead, alive = lab.up(hosts=2)
    dead.run("echo mine > /var/lib/docker/left-behind")
    dead.container.kill()
    first, second = lab.up()
    assert first.container.id != dead.container.id
    assert second.container.id == alive.container.id
    assert first.run("ls /var/lib/docker").stdout == ""
    assert subprocess.run(first.ssh("true"), check=False).returncode == 0


def test_another_release_or_fewer_hosts_are_brought_about(fresh_lab: Callable[[], Lab]) -> None:
    lab = fresh_lab()
    lab.up(hosts=2)
    [host] = lab.up(hosts=1, releases=["trixie"])
    assert (host.name, host.release) == ("lab1", "trixie")


def test_a_foreign_container_is_named_and_not_touched(fresh_lab: Callable[[], Lab]) -> None:
    lab = fresh_lab()
    [host] = lab.up()
    client = engine()
    foreign = client.containers.create(host.container.attrs["Image"], name=f"{lab.name}-lab2", command=["/bin/true"])
    try:
        with pytest.raises(LabError, match=f"there is a container {lab.name}-lab2 that this lab did not make"):
            lab.up(hosts=2)
        assert lab.down() == ["lab1"]
        foreign.reload()  # raises when it is gone
    finally:
        foreign.remove(force=True)


def test_down_leaves_nothing_behind(fresh_lab: Callable[[], Lab]) -> None:
    lab = fresh_lab()
    lab.up(hosts=2, releases=["bookworm", "trixie"])
    assert lab.down() == ["lab1", "lab2"]
    client = engine()
    assert [found.name for found in client.containers.list(all=True) if lab.name in str(found.name)] == []
    assert [found.name for found in client.volumes.list() if lab.name in str(found.name)] == []
    assert [found.name for found in client.networks.list() if lab.name in str(found.name)] == []
    assert not lab.directory.exists()
    assert lab.down() == []
