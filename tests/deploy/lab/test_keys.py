"""Keys are made once, are for their owner only, and ssh's own tools accept them."""

import stat
import subprocess
from pathlib import Path

from deploy.lab.keys import api_key, key_pair, known_hosts_line


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    public = key_pair(tmp_path / "operator")
    assert key_pair(tmp_path / "operator") == public
    assert stat.S_IMODE((tmp_path / "operator").stat().st_mode) == 0o600


def test_openssh_reads_the_private_key_and_finds_the_same_public_one(tmp_path: Path) -> None:
    public = key_pair(tmp_path / "operator")
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", tmp_path / "operator"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[:2] == public.split()[:2]


def test_openssh_finds_the_pinned_host(tmp_path: Path) -> None:
    public = key_pair(tmp_path / "host")
    (tmp_path / "known_hosts").write_text(known_hosts_line("127.0.0.1", 40022, public))
    found = subprocess.run(
        ["ssh-keygen", "-F", "[127.0.0.1]:40022", "-f", tmp_path / "known_hosts"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert public.split()[1] in found.stdout


def test_an_api_key_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "api-key"
    api_key(path)
    first = path.read_text()
    api_key(path)
    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
