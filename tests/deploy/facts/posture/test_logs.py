"""What the snapshot tells of casemate's logs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.facts.posture import logs as module
from service.ledger import Ledger
from service.ledger.head import beside, first_key


def test_it_tells_where_chains_stand_and_which_keys_lie_there_but_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit, gate = (tmp_path / name / "log.jsonl" for name in ("vision", "gate"))
    for log in (audit, gate):
        log.parent.mkdir()
    Ledger(audit).append({"n": 0})
    gate.with_name("log.jsonl.head").write_text("damaged")
    audit.with_name("log.jsonl-20261123-080000.gz").write_bytes(b"x" * 5000)
    (tmp_path / "vision.ext4").write_bytes(b"x" * (1 << 20))
    monkeypatch.setattr(module, "LOGS", {"vision": str(audit), "gate": str(gate)})
    monkeypatch.setattr(module, "_PLACE", str(tmp_path))
    monkeypatch.setattr(module, "_JOURNAL", str(tmp_path / "none"))
    found = module.logs(None)
    assert found["heads"][str(audit)]["seq"] == 1
    assert found["heads"][str(gate)] is None
    assert list(found["keys"]) == [str(audit)]
    assert 0 <= found["keys"][str(audit)] < 60
    assert 5000 <= found["bytes"] < 1 << 20
    assert found["file_systems"] == {
        str(tmp_path / "vision.ext4"): {"bytes": 1 << 20, "allocated": 1 << 20, "formatted": 0}
    }
    assert found["taken"] == found["bytes"] + (1 << 20)
    assert found["journal_bytes"] == 0
    assert found["followed"] == []
    assert first_key(audit).read_text().strip() not in str(found)
    assert beside(audit).read_text().rpartition('"key": "')[2][:64] not in str(found)
    if found["seals"]["possible"]:
        assert [Path(path).name for path in found["seals"]["open"]] == ["log.jsonl-20261123-080000.gz"]


@pytest.mark.skipif(not shutil.which("mkfs.ext4"), reason="needs e2fsprogs")
def test_a_file_can_have_grown_before_the_file_system_in_it(tmp_path: Path) -> None:
    file = tmp_path / "vision.ext4"
    with file.open("wb") as opened:
        opened.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(file)], check=True)
    with file.open("r+b") as opened:
        opened.truncate(64 << 20)
    assert module.formatted(str(file)) == 16 << 20
    assert module.formatted(str(tmp_path / "none")) == 0
