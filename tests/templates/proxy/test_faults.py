"""A gate or a model that is away means 503 in words, at once, and no longer than it is away."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

SECONDS = 10
"""Nginx waits for two; by its own defaults it would wait for sixty, and ask who failed again only after ten."""


def refused(door: Any) -> float:
    """Ask; it must be refused as unavailable. Returns how long that took (s)."""
    began = time.monotonic()
    answer = door.ask()
    took = time.monotonic() - began
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    return took


def healed(door: Any) -> float:
    """How long it takes until an answer comes again (s)."""
    return float(door.until(lambda: door.ask().status == 200, "an answer"))


def test_a_killed_gate(own_door: Any) -> None:
    own_door.start()
    assert own_door.ask().status == 200
    own_door.behind["gate"].kill()
    assert refused(own_door) < SECONDS
    own_door.start_behind("gate")
    assert healed(own_door) < SECONDS


def test_a_frozen_gate(own_door: Any) -> None:
    own_door.start()
    assert own_door.ask().status == 200
    own_door.freeze("gate")
    # One goes over the connection that is kept, the others over new ones, which the kernel accepts for it.
    with ThreadPoolExecutor() as pool:
        assert max(pool.map(refused, [own_door] * 4)) < SECONDS
    own_door.thaw("gate")
    assert healed(own_door) < SECONDS


def test_a_gate_that_was_replaced_costs_no_request(own_door: Any) -> None:
    """The connection that is kept leads to the old one."""
    own_door.start()
    assert own_door.ask().status == 200
    old = own_door.behind["gate"]
    own_door.start_behind("gate")
    assert own_door.ask().status == 200
    old.terminate()
    old.wait()
    for _ in range(8):
        assert own_door.ask().status == 200


def test_no_model(own_door: Any) -> None:
    own_door.start()
    own_door.behind["vision"].kill()
    assert refused(own_door) < SECONDS
    readiness = own_door.get("/readyz", {})
    assert (readiness.status, readiness.code) == (503, "unavailable")
    assert own_door.get("/healthz", {}).status == 200
    (own_door.root / "vision" / "current").unlink()
    assert refused(own_door) < SECONDS
    own_door.start_behind("vision")
    assert healed(own_door) < SECONDS


def test_without_a_model_a_wrong_key_is_still_a_wrong_key(own_door: Any) -> None:
    own_door.start()
    own_door.behind["vision"].kill()
    assert own_door.ask(headers={"Authorization": "Bearer bad"}).status == 401


def test_requests_go_to_the_new_release_as_soon_as_the_link_does(own_door: Any) -> None:
    own_door.start()
    own_door.ask(b"old")
    old = own_door.behind["vision"]
    own_door.start_behind("vision")
    old.send_signal(signal.SIGSTOP)
    assert own_door.ask(b"new").json["length"] == 3
    old.kill()
    old.wait()


def test_a_model_that_is_silent_for_too_long(own_door: Any) -> None:
    own_door.settings = own_door.settings.model_copy(update={"read_seconds": 1})
    own_door.start(lambda text: text.replace("proxy_read_timeout 5s", "proxy_read_timeout 1s"))
    own_door.freeze("vision")
    answer, other = own_door.ask(), own_door.get("/v1/models")
    assert (answer.status, answer.code, answer.headers["x-should-retry"]) == (504, "timeout", "false")
    assert "ask for a stream" in answer.json["error"]["message"]
    assert (other.status, other.code, "x-should-retry" in other.headers) == (504, "timeout", False)
    assert "1 seconds" not in other.json["error"]["message"]


def writers(door: Any, file: Path) -> list[Path]:
    """Descriptors of this file that Nginx, its master and four workers, has open."""
    master = Path(f"/proc/{door.nginx.pid}")
    workers = (master / f"task/{door.nginx.pid}/children").read_text().split()
    folders = [master / "fd", *(Path(f"/proc/{worker}/fd") for worker in workers)]
    return [fd for folder in folders for fd in folder.iterdir() if fd.readlink() == file]


def test_logs_can_be_turned_over(own_door: Any) -> None:
    """SIGUSR1, as logrotate's postrotate sends it: no line is lost, and none goes to the old file afterwards."""
    own_door.start()
    own_door.ask()
    log = own_door.root / "log" / "access.jsonl"
    old = log.with_suffix(".old")
    log.rename(old)
    own_door.nginx.send_signal(signal.SIGUSR1)
    own_door.until(lambda: len(writers(own_door, log)) == 5 and not writers(own_door, old), "each process's new log")
    before = len(old.read_text().splitlines())
    for _ in range(8):
        own_door.ask()
    own_door.until(lambda: len(log.read_text().splitlines()) >= 8, "their lines")
    assert len(old.read_text().splitlines()) == before
