"""While a component is in maintenance nobody gets to anything behind the door, and everybody is told why."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sentinel.maintenance import Maintenance

pytestmark = pytest.mark.long


@pytest.fixture(params=["vision", "gate"])
def shut(door: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """The component in maintenance, by what the sentinel does."""
    maintenance = Maintenance(door.root / "maintenance")
    maintenance.shut(request.param, "hands-test")
    yield request.param
    maintenance.open(request.param, "hands-test")
    assert door.ask().status == 200


def seen(door: Any) -> int:
    return len(door.seen("gate")) + len(door.seen("vision"))


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/metrics", "/readyz", "/page/page.js", "/nothing", "/healthz/", "/_verify", "/healthz%0a", "//x"],
)
@pytest.mark.parametrize("key", ["Bearer good", "Bearer bad", None])
def test_whatever_is_asked_is_answered_with_maintenance(door: Any, shut: str, path: str, key: str | None) -> None:
    before = seen(door)
    answer = door.get(path, {"Authorization": key} if key else {})
    assert (answer.status, answer.code) == (503, "maintenance")
    assert "closed for maintenance" in answer.json["error"]["message"]
    assert int(answer.headers["retry-after"]) > 0
    assert seen(door) == before


def test_a_question_is_not_read(door: Any, shut: str) -> None:
    before = seen(door)
    answer = door.ask(b"x" * 50_000)
    assert (answer.status, answer.code) == (503, "maintenance")
    assert seen(door) == before


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_people_are_shown_a_page(door: Any, shut: str, method: str) -> None:
    answer = door.request(method, "/", {})
    assert answer.status == 503
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Maintenance" in answer.body.decode()
    assert "维护中" in answer.body.decode()


@pytest.mark.parametrize("path", ["/_maintenance", "/_error"])
def test_nobody_asks_for_what_is_internal(door: Any, path: str) -> None:
    assert door.get(path).status == 404


def test_the_door_itself_is_still_there_for_load_balancers(door: Any, shut: str) -> None:
    assert door.get("/healthz", {}).status == 200


def test_a_key_in_the_address_is_still_refused_first(door: Any, shut: str) -> None:
    assert door.get("/v1/models?key=secret").code == "query_string"


def test_the_door_opens_after_the_last_quarantine_only(door: Any) -> None:
    maintenance = Maintenance(door.root / "maintenance")
    maintenance.shut("vision", "one")
    maintenance.shut("vision", "two")
    maintenance.shut("vision", "two")
    maintenance.open("vision", "one")
    maintenance.open("vision", "never")
    assert door.ask().code == "maintenance"
    maintenance.open("vision", "two")
    maintenance.open("vision", "two")
    assert door.ask().status == 200
    assert list((door.root / "maintenance").iterdir()) == []


def test_a_hand_made_file_shuts_the_door_and_stays(door: Any) -> None:
    by_hand = door.root / "maintenance" / "vision"
    by_hand.write_text("by alice\n")
    maintenance = Maintenance(door.root / "maintenance")
    maintenance.shut("vision", "one")
    maintenance.open("vision", "one")
    assert door.ask().code == "maintenance"
    assert by_hand.read_text().split() == ["by", "alice"]
    by_hand.unlink()


def test_nginx_sees_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    Maintenance(tmp_path / "m").shut("vision", "one")
    os.umask(before)
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "m" / "vision").stat().st_mode & 0o777 == 0o644
