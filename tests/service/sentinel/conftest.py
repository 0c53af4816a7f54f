"""A sentinel, a source of events, or hands on a Docker engine, of its own for a test."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sentinel.configuration import Configuration
from service.sentinel.record import Recorder
from tests.service.sentinel.engine import Engine, new_engine
from tests.service.sentinel.hands import Host
from tests.service.sentinel.receivers import journal
from tests.service.sentinel.running import Sentinel
from tests.service.sentinel.watching import SOURCES, Watching


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Sentinel]:
    """Not started yet."""
    one = Sentinel(tmp_path)
    yield one
    one.close()


@pytest.fixture(params=["fanotify", "inotify"])
def seeing(sentinel: Sentinel, request: pytest.FixtureRequest) -> Sentinel:
    """With a file, a directory and a link that it knows."""
    (sentinel.watched / "index.php").write_text("one")
    (sentinel.watched / "deep").mkdir()
    (sentinel.watched / "deep/file").write_text("two")
    (sentinel.watched / "link").symlink_to("index.php")
    sentinel.start(source=request.param)
    assert sentinel.status()["source"]["name"] == request.param
    assert not sentinel.alerts()
    return sentinel


@pytest.fixture
def trusted(sentinel: Sentinel) -> Sentinel:
    """With a baseline that the operator has signed."""
    for number in range(5):
        (sentinel.watched / f"file{number}").write_text(str(number))
    sentinel.start()
    sentinel.sign_baseline()
    return sentinel


@pytest.fixture(params=SOURCES)
def watching(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watching]:
    """The root is `root`; `root/old` holds a file `kept` and a directory `deep`; `outside` is no root."""
    (tmp_path / "root" / "old" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "old" / "kept").write_bytes(b"as it was")
    (tmp_path / "outside" / "nest").mkdir(parents=True)
    (tmp_path / "outside" / "shell").write_bytes(b"<?php")
    (tmp_path / "outside" / "nest" / "shell").write_bytes(b"<?php")
    source = SOURCES[request.param]()
    one = Watching(source, tmp_path / "root")
    try:
        one.watch()
        one.settle()
        yield one
    finally:
        source.close()


@pytest.fixture(params=SOURCES)
def apart(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watching]:
    """Nothing is watched yet."""
    source = SOURCES[request.param]()
    try:
        yield Watching(source, tmp_path)
    finally:
        source.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with new_engine("--live-restore") as made:
        yield made


@pytest.fixture
def engine(shared: Engine) -> Iterator[Engine]:
    """Running, without a container."""
    yield shared
    if shared.daemon:
        shared.daemon.send_signal(signal.SIGCONT)
    else:
        shared.start()
    shared.clear()


@pytest.fixture
def host(engine: Engine, tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path, engine)
    yield made
    made.end()


@pytest.fixture
def network(engine: Engine) -> str:
    engine.run("network", "create", "--internal", "--subnet=10.213.77.0/24", "hands-test-network")
    return "hands-test-network"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "alerts.jsonl"


@pytest.fixture
def recorder(log: Path, tmp_path: Path) -> Iterator[Recorder]:
    with journal(tmp_path / "journal"):
        made = Recorder(log, Configuration(()), tmp_path / "state", tmp_path / "journal")
        yield made
        made.close()
