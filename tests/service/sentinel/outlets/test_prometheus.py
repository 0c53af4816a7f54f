"""What Alertmanager's API is told, and told again."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from service.sentinel.outlets.message import Message, Told
from service.sentinel.outlets.prometheus import FIRES, Alertmanager
from tests.service.sentinel.receivers import Web, web


def now(event: str = "alert", severity: Any = "high", at: float = 0.0, **fields: Any) -> Message:
    own = {"set": "etc", "what": "changed", "path": "/etc/passwd"} if event == "alert" else {}
    told = {"event": event, "severity": severity, **own, **fields}
    return Message.of(Told(1, time.time() + at, event, severity, told), "host1")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def last(hook: Web) -> Any:
    return hook.posted[-1].document


def test_an_alert_has_labels_annotations_and_an_end(tmp_path: Path) -> None:
    with web() as hook:
        Alertmanager(f"http://127.0.0.1:{hook.port}/am/", tmp_path / "firing").deliver(now(container="vision"))
    assert hook.posted[0].path == "/am/api/v2/alerts"
    [alert] = last(hook)
    assert alert["labels"] == {
        "alertname": "CasemateSentinelFileChanged",
        "severity": "high",
        "host": "host1",
        "set": "etc",
        "container": "vision",
    }
    assert alert["annotations"]["summary"] == "high: etc: /etc/passwd changed in container vision"
    assert (alert["annotations"]["paths"], alert["annotations"]["count"]) == ("/etc/passwd", "1")
    assert seconds(alert["endsAt"]) - seconds(alert["startsAt"]) == pytest.approx(FIRES, abs=0.01)


def test_more_of_the_same_goes_on_and_ends_later(tmp_path: Path) -> None:
    with web() as hook:
        manager = Alertmanager(f"http://127.0.0.1:{hook.port}", tmp_path / "firing")
        manager.deliver(now(at=-100))
        manager.deliver(now(path="/etc/group"))
        manager.deliver(now("coverage_gap", "medium"))
    changed, gap = last(hook)
    assert (changed["annotations"]["count"], changed["annotations"]["paths"]) == ("2", "/etc/passwd\n/etc/group")
    assert seconds(changed["endsAt"]) - seconds(changed["startsAt"]) == pytest.approx(FIRES + 100, abs=5)
    assert gap["labels"]["alertname"] == "CasemateSentinelCoverageGap"


def test_what_fires_is_told_again_by_the_next_process_too_until_its_end(tmp_path: Path) -> None:
    with web() as hook:
        url = f"http://127.0.0.1:{hook.port}"
        Alertmanager(url, tmp_path / "firing").deliver(now())
        Alertmanager(url, tmp_path / "firing").deliver(now(set="keys", at=-FIRES - 1))
        assert len(last(hook)) == 2
        again = Alertmanager(url, tmp_path / "firing")
        again.remind()
        assert [alert["labels"]["set"] for alert in last(hook)] == ["etc"]
        posted = len(hook.posted)
        Alertmanager(url, tmp_path / "none").remind()
        assert len(hook.posted) == posted


def test_information_is_no_alert(tmp_path: Path) -> None:
    with web() as hook:
        Alertmanager(f"http://127.0.0.1:{hook.port}", tmp_path / "firing").deliver(now("started", None))
    assert hook.posted == []


def test_what_could_not_be_told_does_not_count_twice(tmp_path: Path) -> None:
    with web() as hook:
        manager = Alertmanager(f"http://127.0.0.1:{hook.port}", tmp_path / "firing")
        hook.status = 500
        with pytest.raises(OSError, match="HTTP 500"):
            manager.deliver(now())
        hook.status = 200
        manager.deliver(now())
    assert last(hook)[0]["annotations"]["count"] == "1"


def test_a_damaged_memory_is_none(tmp_path: Path) -> None:
    (tmp_path / "firing").write_bytes(b'[{"labels":')
    with web() as hook:
        Alertmanager(f"http://127.0.0.1:{hook.port}", tmp_path / "firing").deliver(now())
    assert len(last(hook)) == 1
