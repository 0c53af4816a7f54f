"""A real Prometheus, with the files as they are written, through the real door to a real service."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deploy.cli.monitoring import files
from deploy.door import Door as Address
from deploy.paths import ROOT
from tests.ports import held_ports
from tests.service.vision.running import question
from tests.templates.proxy.conftest import NAME, Door, new_door

pytestmark = pytest.mark.long

JOB = "casemate-test"
# The machine's own names stay as they are: in here alone, the door's name leads to the door.
_NAMED = "mount --bind {0}/hosts /etc/hosts && exec prometheus --config.file={0}/prometheus.yml"
_QUIET = "--storage.tsdb.path={0}/data --web.listen-address=127.0.0.1:{1} --log.level=error"


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Before a service whose engine is scripted; who has the key `good` enters."""
    programs = ("nginx", "prometheus", "unshare")
    if os.getuid() or not all(map(shutil.which, programs)):
        pytest.skip(f"needs root, {', '.join(programs)}; make test installs them")
    with new_door() as door:
        door.start()
        place = door.root / "vision" / "real"
        place.mkdir(mode=0o755)
        command = [sys.executable, "-m", "tests.service.vision.killable", str(place)]
        service = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert service.stdin
        assert service.stdout
        service.stdin.write("one\n")
        service.stdin.flush()
        pid = int(service.stdout.readline())
        (place / "vision.sock").chmod(0o666)
        (door.root / "vision" / "new").symlink_to("real")
        (door.root / "vision" / "new").replace(door.root / "vision" / "current")
        yield door
        os.kill(pid, 15)
        service.communicate(timeout=60)


@pytest.fixture(scope="module")
def prometheus(door: Door) -> Iterator[tuple[Path, int]]:
    """Its directory and its port; it looks every second."""
    out = door.root / "prometheus"
    out.mkdir()
    address = Address("gpu1", "127.0.0.1", door.settings.port, NAME, door.settings.ca / "ca.pem", 0)
    for name, content in files(JOB, "inventory/test.py", [address]).items():
        (out / name).write_text(content)
    every_second = "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [alerts.yml]\n"
    (out / "prometheus.yml").write_text(every_second + (out / "scrape.yml").read_text())
    (out / "prometheus.key").write_text("good\n")
    (out / "hosts").write_text(f"127.0.0.1 localhost {NAME}\n")
    with held_ports(1) as [port]:
        command = f"{_NAMED} {_QUIET}".format(out, port)
        process = subprocess.Popen(["unshare", "--mount", "sh", "-c", command], stderr=subprocess.PIPE)
        yield out, port
        process.terminate()
        process.communicate(timeout=60)


def asked(port: int, expression: str) -> list[tuple[dict[str, str], float]]:
    """What Prometheus answers now."""
    url = f"http://127.0.0.1:{port}/api/v1/query?query={quote(expression)}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return [(one["metric"], float(one["value"][1])) for one in found]


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            if holds():
                return
        except urllib.error.URLError:  # It does not listen yet.
            pass
        assert time.monotonic() < end
        time.sleep(0.2)


def test_it_is_scraped_with_the_key_and_not_without(door: Door, prometheus: tuple[Path, int]) -> None:
    out, port = prometheus
    body = json.dumps(question()).encode()
    for _ in range(3):
        assert door.ask(body, {"Authorization": "Bearer good", "Content-Type": "application/json"}).status == 200
    answered = 'casemate_vision_request_success_total{finished_reason="stop"}'
    host = {"job": JOB, "instance": "gpu1"}
    eventually(lambda: [value for _, value in asked(port, answered)] == [3])
    up = f'up{{job="{JOB}"}}'
    eventually(lambda: asked(port, up) == [({"__name__": "up", **host}, 1)])
    eventually(lambda: asked(port, "casemate_vision_ready") == [({"__name__": "casemate_vision_ready", **host}, 1)])
    eventually(lambda: asked(port, "ALERTS") == [])
    (out / "prometheus.key").write_text("bad\n")
    eventually(lambda: [value for _, value in asked(port, up)] == [0])
    eventually(lambda: [labels["alertname"] for labels, _ in asked(port, "ALERTS")] == ["CasemateNotScraped"])
