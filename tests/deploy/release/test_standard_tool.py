"""OpenSSF's own tool and this one, each with what the other signed."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.errors import CasemateError
from deploy.release.bundle import public_pem
from deploy.release.model import Model, read_model
from deploy.release.weights import public_key, sign_weights
from deploy.settings.release import ReleaseSettings

pytestmark = pytest.mark.long

Settings = Callable[..., ReleaseSettings]
Publisher = Callable[[ec.EllipticCurve], Path]
Done = subprocess.CompletedProcess[str]

BY_ITS_LIBRARY = """
import json, sys
from model_signing import hashing, signing
method, options, key, model = sys.argv[1:]
hashed = getattr(hashing.Config(), method)(**json.loads(options)).set_ignored_paths(paths=["model.sig"])
by = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(hashed)
by.sign(model, f"{model}/model.sig")
"""


def tool(*arguments: str | Path) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "model_signing", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def tool_verifies(model: Path, signature: Path, key: Path, *more: str) -> Done:
    return tool("verify", "key", model, "--signature", signature, "--public_key", key, *more)


@pytest.fixture
def signature(model: Path, settings: Settings, tmp_path: Path) -> Path:
    """Ours, of a model with names that sort differently by letters and by components."""
    (model / "tokenizer").mkdir()
    (model / "tokenizer" / "größe.json").write_text("{}")
    path = tmp_path / "state" / "releases" / "x" / "model.sig"
    found = read_model(settings(), print)
    sign_weights(path, found.name, {name: file.sha256 for name, file in found.files.items()}, settings())
    return path


def test_it_verifies_what_we_signed(model: Path, signature: Path, settings: Settings) -> None:
    done = tool_verifies(model, signature, public_key(settings()))
    assert (done.returncode, done.stdout) == (0, "Verification succeeded\n")


def test_it_verifies_what_we_signed_where_it_was_downloaded(model: Path, signature: Path, settings: Settings) -> None:
    (model / ".cache").mkdir()
    (model / ".cache" / "x.lock").write_text("")
    (model / ".gitattributes").write_text("")
    (model / "model.sig").write_text("the publisher's")
    assert tool_verifies(model, signature, public_key(settings())).returncode == 0
    (model / "config.json").rename(model.with_name("blob"))
    (model / "config.json").symlink_to(model.with_name("blob"))
    assert "symlink" in tool_verifies(model, signature, public_key(settings())).stderr
    assert tool_verifies(model, signature, public_key(settings()), "--allow_symlinks").returncode == 0


def test_it_refuses_what_was_changed_since_we_signed(model: Path, signature: Path, settings: Settings) -> None:
    (model / "config.json").write_text("{}")
    (model / "README.md").unlink()
    (model / "new.json").write_text("{}")
    reason = tool_verifies(model, signature, public_key(settings())).stderr
    for part in ("Hash mismatch for 'config.json'", "Missing files in model", "Extra files found in model"):
        assert part in reason


def test_it_refuses_our_signature_by_another_key(
    model: Path, signature: Path, settings: Settings, tmp_path: Path
) -> None:
    other = settings(signing_key=tmp_path / "other")
    sign_weights(tmp_path / "model.sig", "tiny", {}, other)
    assert "Key mismatch" in tool_verifies(model, signature, public_key(other)).stderr


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """A publisher's private key; its public half lies beside it."""

    def make(curve: ec.EllipticCurve) -> Path:
        key = ec.generate_private_key(curve)
        path = tmp_path / "publisher.key"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.with_suffix(".pem").write_bytes(public_pem(key.public_key()))
        return path

    return make


@pytest.fixture
def read(settings: Settings, tmp_path: Path) -> Callable[[], Model]:
    """Read the model as its publisher's key demands."""
    return lambda: read_model(settings(publisher_key=tmp_path / "publisher.pem"), pytest.fail)


def tool_signs(model: Path, key: Path, *more: str | Path) -> None:
    done = tool("sign", "key", model, "--signature", model / "model.sig", "--private_key", key, *more)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_we_verify_what_it_signed(
    model: Path, publisher: Publisher, read: Callable[[], Model], curve: ec.EllipticCurve
) -> None:
    tool_signs(model, publisher(curve))
    assert "config.json" in read().files
    (model / "config.json").write_text('{"model_type": "TINY"}')
    with pytest.raises(CasemateError, match=r"'config\.json' has SHA-256"):
        read()


def test_we_verify_what_it_signed_with_a_downloads_notes(
    model: Path, publisher: Publisher, read: Callable[[], Model]
) -> None:
    (model / ".cache").mkdir()
    (model / ".cache" / "x.lock").write_text("")
    tool_signs(model, publisher(ec.SECP256R1()))
    assert ".cache/x.lock" not in read().files


def test_what_it_was_told_to_ignore_is_refused(model: Path, publisher: Publisher, read: Callable[[], Model]) -> None:
    (model / "more").mkdir()
    (model / "more" / "config.json").write_text("{}")
    key = publisher(ec.SECP256R1())
    tool_signs(model, key, "--ignore-paths", model / "more")
    assert tool_verifies(model, model / "model.sig", key.with_suffix(".pem")).returncode == 0
    with pytest.raises(CasemateError, match=r"'more/config\.json' is not signed"):
        read()


@pytest.mark.parametrize(
    ("method", "options", "reason"),
    [
        ("use_shard_serialization", {"shard_size": 1000}, "over pieces of files"),
        ("use_file_serialization", {"hashing_algorithm": "blake3"}, "digests are 'blake3', expected 'sha256'"),
        ("use_file_serialization", {"hashing_algorithm": "blake2"}, "digests are 'blake2b', expected 'sha256'"),
    ],
)
def test_what_only_its_library_writes_is_refused_in_plain_words(
    model: Path, publisher: Publisher, read: Callable[[], Model], method: str, options: dict[str, Any], reason: str
) -> None:
    key = publisher(ec.SECP256R1())
    command = [sys.executable, "-c", BY_ITS_LIBRARY, method, json.dumps(options), str(key), str(model)]
    subprocess.run(command, capture_output=True, check=True)
    with pytest.raises(CasemateError, match=reason):
        read()


def stated(signature: Path) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(json.loads(signature.read_bytes())["dsseEnvelope"]["payload"])))


def test_both_state_the_same(model: Path, signature: Path, publisher: Publisher) -> None:
    (model / ".cache").mkdir()
    ignored = ("--ignore-paths", model / ".cache")
    tool_signs(model, publisher(ec.SECP256R1()), "--allow_symlinks", *ignored)
    ours, theirs = stated(signature), stated(model / "model.sig")
    assert theirs["subject"][0].pop("name") == "model"
    assert ours["subject"][0].pop("name") == "tiny"
    for one in (ours, theirs):
        one["predicate"]["serialization"]["ignore_paths"].sort()
    assert ours == theirs
    assert _shape(json.loads(signature.read_bytes())) == _shape(json.loads((model / "model.sig").read_bytes()))


def _shape(value: Any) -> Any:
    """Keys and kinds, without what differs from signature to signature."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else type(value)
