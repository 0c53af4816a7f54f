"""What casemate itself keeps on a host."""

import hashlib
import json
from pathlib import Path

import pytest

from deploy.facts.posture import ours
from deploy.facts.posture.ours import link, manifest, release
from service.release.verified import Verified


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where releases are kept."""
    monkeypatch.setattr(ours, "_STATE", str(tmp_path))
    return tmp_path


def test_a_host_that_never_had_a_release_says_so(state: Path) -> None:
    assert release() == {
        "state": None,
        "current": {"vision": None, "gate": None},
        "handover": {"vision": None, "gate": None},
        "manifests": {},
        "models": {},
        "blobs": [],
        "incoming": {},
    }


def test_state_manifests_and_cut_transfers_are_told(state: Path) -> None:
    (state / "releases" / "0123456789ab").mkdir(parents=True)
    (state / "releases" / "state.json").write_text(json.dumps({"schema": 1, "accepted_sequence": 7}))
    (state / "releases" / "0123456789ab" / "manifest.json").write_bytes(b"{}")
    (state / "incoming").mkdir()
    (state / "incoming" / "aa.part").write_bytes(b"12345")
    (state / "blobs").mkdir()
    (state / "blobs" / "bb").write_bytes(b"12345")
    found = release()
    assert found["state"]["accepted_sequence"] == 7
    assert found["incoming"] == {"aa.part": 5}
    assert found["blobs"] == ["bb"]
    assert found["manifests"] == {"0123456789ab": {"sha256": hashlib.sha256(b"{}").hexdigest(), "signature": False}}


def test_a_model_s_files_are_told_with_what_they_were_verified_as_until_they_change(state: Path) -> None:
    weights = state / "models" / "micro-0123" / "weights"
    weights.mkdir(parents=True)
    memory = Verified(state / "verified.json")
    for name in ("same", "written"):
        (weights / name).write_bytes(b"weights")
        memory.digest(weights / name)
    memory.keep()
    (weights / "written").write_bytes(b"poison!")
    (weights / "added").write_bytes(b"")
    signed = hashlib.sha256(b"weights").hexdigest()
    expected = {"weights/added": None, "weights/same": signed, "weights/written": None}
    assert release()["models"] == {"micro-0123": expected}


def test_a_state_that_is_no_json_is_an_error_and_not_an_empty_host(state: Path) -> None:
    (state / "releases").mkdir()
    (state / "releases" / "state.json").write_text("{half")
    with pytest.raises(ValueError, match="Expecting"):
        release()


def test_a_signature_beside_a_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"{}")
    (tmp_path / "manifest.json.sig").write_bytes(b"-----BEGIN SSH SIGNATURE-----")
    assert manifest(str(tmp_path / "manifest.json"))["signature"] is True


def test_only_a_link_leads_anywhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "current").symlink_to("0123456789ab")
    assert link(str(tmp_path / "current")) == "0123456789ab"
    assert link(str(tmp_path / "file")) is None
