"""A browser before the real door, and behind that a real service with a scripted engine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.service.vision.page.visit import Visit
from tests.service.vision.running import Running
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import CAN_BE_SERVED, NAME, Served, served

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacking = not (CHROMIUM.exists() and CAN_BE_SERVED)
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


@pytest.fixture(scope="session")
def behind_the_door() -> Iterator[Served]:
    with served(ScriptedEngine()) as found:
        yield found


@pytest.fixture(scope="session")
def started(behind_the_door: Served) -> Running:
    """In place of the one without a door."""
    return behind_the_door.running


Begin = Callable[..., Visit]


@pytest.fixture
def begin(browser: Browser, behind_the_door: Served, service: Running) -> Iterator[Begin]:
    """Begin a visit; see Visit.begin."""
    visits: list[Visit] = []

    def begin(**options: Any) -> Visit:
        visits.append(Visit.begin(browser, behind_the_door.address, **options))
        return visits[-1]

    yield begin
    for visit in visits:
        visit.end()


@pytest.fixture
def visit(begin: Begin) -> Visit:
    """In English, by daylight, at a desk, with a key."""
    return begin()
