"""A browser before the real door, and behind that a real service with a scripted engine."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from service.vision.engine.protocol import Engine
from tests.service.vision.page.visit import NAME, Visit
from tests.service.vision.running import Running
from tests.service.vision.scripted import ScriptedEngine

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).resolve().parents[4]
QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The door's workers are another user, whom only root can become."""
    lacking = not (CHROMIUM.exists() and shutil.which("nginx") and os.getuid() == 0)
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            if lacking:
                item.add_marker(pytest.mark.skip(reason="needs chromium, nginx and root; make test installs them"))
    # The browser's event loop stays in this thread, where no other test could start one of its own.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = [*QUIET, "--no-sandbox", "--disable-sync", f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


@contextlib.contextmanager
def served(engine: Engine, model: str = "micro") -> Iterator[tuple[Running, str]]:
    """A service and the address of the door before it."""
    # Pytest's own directories are closed to the door's workers.
    directory = Path(tempfile.mkdtemp(prefix="casemate-page-"))
    directory.chmod(0o755)
    running = Running(directory, engine, model_name=model).start()
    command = [sys.executable, "-m", "tests.service.vision.page.door", str(running.configuration.socket)]
    door = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert door.stdin
    assert door.stdout
    try:
        yield running, f"https://{NAME}:{int(door.stdout.readline())}"
    finally:
        door.stdin.close()
        door.wait(20)
        running.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def behind_the_door() -> Iterator[tuple[Running, str]]:
    with served(ScriptedEngine()) as found:
        yield found


@pytest.fixture(scope="session")
def started(behind_the_door: tuple[Running, str]) -> Running:
    """In place of the one without a door."""
    return behind_the_door[0]


Begin = Callable[..., Visit]


@pytest.fixture
def begin(browser: Browser, behind_the_door: tuple[Running, str], service: Running) -> Iterator[Begin]:
    """Begin a visit; see Visit.begin."""
    visits: list[Visit] = []

    def begin(**options: Any) -> Visit:
        visits.append(Visit.begin(browser, behind_the_door[1], **options))
        return visits[-1]

    yield begin
    for visit in visits:
        visit.end()


@pytest.fixture
def visit(begin: Begin) -> Visit:
    """In English, by daylight, at a desk, with a key."""
    return begin()
