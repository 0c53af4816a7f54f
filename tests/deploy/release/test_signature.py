"""Signatures: by this key, for this purpose, over these bytes, or none."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.paths import ROOT
from deploy.release.signature import BASELINE, RELEASE, WINDOW, allowed_signers, sign, verify
from deploy.settings.release import ReleaseSettings

Settings = Callable[..., ReleaseSettings]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_for_its_owner_only(settings: Settings) -> None:
    mine = settings()
    verify(b"document", sign(b"document", mine), mine)
    assert (mode(mine.signing_key), mode(mine.signing_key.parent)) == (0o600, 0o700)


def test_runs_that_begin_at_once_make_one_key(settings: Settings) -> None:
    """As two first deploys from one checkout do."""
    program = (
        "import sys; from deploy.release.signature import sign; from deploy.settings.release import ReleaseSettings; "
        "found = ReleaseSettings.model_validate_json(sys.argv[1]); print(flush=True); sys.stdin.readline(); "
        "sys.stdout.buffer.write(sign(b'document', found))"
    )
    command, pipe = [sys.executable, "-c", program, settings().model_dump_json()], subprocess.PIPE
    runs = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) for _ in range(6)]
    for run in runs:
        assert run.stdout
        run.stdout.readline()  # It has imported what it needs.
    for run in runs:
        assert run.stdin
        run.stdin.write(b"\n")
        run.stdin.flush()
    for run in runs:
        signature, _ = run.communicate()
        assert run.returncode == 0
        verify(b"document", signature, settings())


def test_a_place_where_no_key_can_be_made_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CasemateError, match=r"could not make .*file/release: Not a directory"):
        sign(b"document", settings(signing_key=tmp_path / "file" / "release"))


def test_the_key_is_kept(settings: Settings) -> None:
    line = allowed_signers(settings())
    sign(b"document", settings())
    assert allowed_signers(settings()) == line
    assert line.startswith(
        'release@casemate namespaces="casemate-release-v1,casemate-window-v1,casemate-baseline-v1" ssh-ed25519 AAAA'
    )


def test_a_changed_document_is_refused(settings: Settings) -> None:
    with pytest.raises(CasemateError, match="signature is not by"):
        verify(b"documenT", sign(b"document", settings()), settings())


def test_another_key_is_refused(settings: Settings, tmp_path: Path) -> None:
    other = settings(signing_key=tmp_path / "state" / "other")
    allowed_signers(settings())
    with pytest.raises(CasemateError, match="signature is not by"):
        verify(b"document", sign(b"document", other), settings())


def test_the_same_key_for_another_purpose_is_refused(settings: Settings) -> None:
    allowed_signers(settings())
    by = ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(settings().signing_key)]
    signature = subprocess.run(by, input=b"document", capture_output=True, check=True).stdout
    with pytest.raises(CasemateError, match="signature is not by"):
        verify(b"document", signature, settings())


@pytest.mark.parametrize("namespace", [WINDOW, BASELINE])
def test_a_signature_is_for_one_purpose_alone(settings: Settings, namespace: str) -> None:
    signature = sign(b"document", settings(), namespace)
    verify(b"document", signature, settings(), namespace)
    for other in {RELEASE, WINDOW, BASELINE} - {namespace}:
        with pytest.raises(CasemateError, match="signature is not by"):
            verify(b"document", signature, settings(), other)


def test_verifying_makes_no_key(settings: Settings) -> None:
    with pytest.raises(CasemateError, match=r"release\.pub is missing"):
        verify(b"document", b"signature", settings())
    assert not settings().signing_key.exists()


def test_a_key_that_others_may_read_does_not_sign(settings: Settings) -> None:
    allowed_signers(settings())
    settings().signing_key.chmod(0o644)
    with pytest.raises(CasemateError, match="could not sign"):
        sign(b"document", settings())
