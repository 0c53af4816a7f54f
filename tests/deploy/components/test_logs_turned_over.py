"""The distribution's logrotate with our rules, and the ledger's retention after it, on a file system that can seal."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.operations.templates import render
from service.ledger import Ledger, verify
from service.ledger.retention import remove, seal

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("logrotate"), reason="needs logrotate"),
]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    whole, made = tmp_path / "disk.ext4", tmp_path / "disk"
    made.mkdir()
    with whole.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(whole)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(whole), str(made)], capture_output=True).returncode:
        pytest.skip("no loop device here")
    (made / "vision").mkdir()
    yield made
    subprocess.run(["umount", "--lazy", str(made)], check=True)


def test_sealed_files_hinder_no_turning_over_and_no_line_is_lost(place: Path) -> None:
    log = place / "vision" / "audit.jsonl"
    rules = place / "rules"
    text = render("logs/logrotate.conf.j2", size=1).replace("/var/log/casemate", str(place))
    rules.write_text(re.sub(r"^\s*su .*$", "", text, flags=re.MULTILINE))
    ledger = Ledger(log)
    for round_ in range(5):
        for number in range(20):
            ledger.append({"round": round_, "number": number})
        turned = subprocess.run(
            ["logrotate", "--force", "--state", str(place / "state"), str(rules)], capture_output=True, text=True
        )
        assert (turned.returncode, turned.stderr) == (0, "")
        assert seal(place) == []
        time.sleep(1.05)  # Names have seconds.
    packed = sorted(log.parent.glob("audit.jsonl-*.gz"))
    assert len(packed) == 4
    shown = subprocess.run(["lsattr", *packed], capture_output=True, text=True, check=True).stdout.splitlines()
    assert all("i" in line.split()[0] for line in shown)
    verdict = verify(log)
    assert (verdict.findings, verdict.lines, len(verdict.files)) == ([], 100, 5)
    removed, _ = remove(place, keep=2, most=1 << 30)
    assert [one.first for one in removed] == [0, 20, 40]
    assert verify(log).first == 60
