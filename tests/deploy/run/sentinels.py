"""A host's sentinel for tests of those who talk to it: it keeps what it is told, and has a baseline of two paths."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.facts.observed import Observed
from deploy.release.signature import BASELINE, verify
from deploy.run import baseline, window
from deploy.settings.release import ReleaseSettings
from service.sentinel.entry import Entry
from service.sentinel.written import to_fields


def entry(content: bytes = b"x", mtime: int = 1) -> Entry:
    """A file of root's."""
    return Entry("file", 0o644, 0, 0, len(content), 1, 2, mtime, 4, hashlib.sha256(content).digest())


class Sentinel:
    """`says` is what it answers to the next request instead, or the error that it raises."""

    def __init__(self, settings: ReleaseSettings) -> None:
        self._settings = settings
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.entries = {"/etc/a": entry(), "/etc/b": entry()}
        self.sequence, self.signature, self.host = 1, b"", "SHA256:gpu1"
        self.says: dict[str, Any] | CasemateError | None = None
        self.unplanned = 0

    def asked_by(self, _: Any, *verb: str, wakes: bool = False, **given: Any) -> dict[str, Any]:
        self.asked.append((" ".join(verb), given))
        if isinstance(self.says, CasemateError):
            raise self.says
        if self.says is not None:
            return self.says
        if verb == ("baseline", "sign"):
            self.signature = str(given["signature"]).encode()
            verify(self.document, self.signature, self._settings, BASELINE)
        if verb == ("window", "close"):
            self.sequence, self.signature = self.sequence + 1, b""
            return {"baseline": self.summary, "planned": 1, "unplanned": self.unplanned}
        return {"baseline": self.summary}

    @property
    def summary(self) -> dict[str, Any]:
        return {"sequence": self.sequence, "signed": bool(self.signature)}

    @property
    def content(self) -> bytes:
        header = {"schema": 1, "sequence": self.sequence, "made": "2026-11-26", "run": "", "reason": "", "by": "x"}
        lines = [{"path": path, **to_fields(one)} for path, one in sorted(self.entries.items())]
        return "".join(f"{json.dumps(line)}\n" for line in [header, *lines]).encode()

    @property
    def document(self) -> bytes:
        sha256 = hashlib.sha256(self.content).hexdigest()
        said = {"schema": 1, "host": self.host, "sequence": self.sequence, "sha256": sha256, "entries": 2}
        return json.dumps(said, sort_keys=True).encode()

    def of_host(self, _: Any) -> baseline.Baseline:
        return baseline.Baseline(gzip.compress(self.content), self.document, self.signature)

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.asked]


def host(**sentinel: Any) -> Any:
    """A connected host whose snapshot says this of its sentinel."""
    snapshot = Observed({"sentinel": {"installed": True, "status": None, **sentinel}}, 0.0)
    return SimpleNamespace(name="gpu1", connector_data={"casemate.snapshot": snapshot})


@pytest.fixture
def settings(tmp_path: Path) -> ReleaseSettings:
    """A signing key of the test's own."""
    return ReleaseSettings(model=tmp_path, model_name="micro", signing_key=tmp_path / "key")


@pytest.fixture
def sentinel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: ReleaseSettings) -> Sentinel:
    """The sentinel of `gpu1`; the operator's state lies in tmp_path."""
    there = Sentinel(settings)
    for module in (window, baseline):
        monkeypatch.setattr(module, "asked", there.asked_by)
    monkeypatch.setattr(baseline.Baseline, "of_host", there.of_host)
    monkeypatch.setattr(window, "host_key", lambda _: "SHA256:gpu1")
    monkeypatch.setattr(window, "settings_of", lambda _: SimpleNamespace(release=settings))
    monkeypatch.setattr("deploy.paths.STATE", tmp_path / "state")
    return there
