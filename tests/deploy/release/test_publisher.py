"""A publisher's signature: what is shipped is what it signed, or nothing is built."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.errors import CasemateError
from deploy.release.bundle import public_pem, sealed
from deploy.release.model import Model, read_model
from deploy.release.statement import statement
from deploy.settings.release import ReleaseSettings

Settings = Callable[..., ReleaseSettings]
KEY = ec.generate_private_key(ec.SECP384R1())


def digests(model: Path) -> dict[str, str]:
    return {
        path.relative_to(model).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in model.rglob("*")
        if path.is_file() and path.name != "model.sig"
    }


def publish(model: Path, *more: str, key: ec.EllipticCurvePrivateKey = KEY) -> None:
    """Sign what is there, and `more` that is not."""
    files = {**digests(model), **dict.fromkeys(more, "0" * 64)}
    (model / "model.sig").write_bytes(sealed(statement("tiny", files), key))


@pytest.fixture
def read(model: Path, settings: Settings, tmp_path: Path) -> Callable[[], Model]:
    """Read the model as its publisher's key demands."""
    (tmp_path / "publisher.pem").write_bytes(public_pem(KEY.public_key()))
    return lambda: read_model(settings(publisher_key=tmp_path / "publisher.pem"), pytest.fail)


def refused(read: Callable[[], Model]) -> str:
    with pytest.raises(CasemateError, match=r"release\.publisher_key: ") as error:
        read()
    assert error.value.next
    return error.value.message


def test_what_the_publisher_signed_is_read_without_its_signature(read: Callable[[], Model], model: Path) -> None:
    publish(model)
    assert {name: file.sha256 for name, file in read().files.items()} == digests(model)


def change(model: Path) -> None:
    (model / "config.json").write_text('{"model_type": "TINY"}')


def add(model: Path) -> None:
    (model / "chat_template.jinja").write_text("{{ evil }}")


def remove(model: Path) -> None:
    (model / "README.md").unlink()


def swap(model: Path) -> None:
    (model / "tokenizer.json").rename(model / "x")
    change(model)
    (model / "config.json").rename(model / "tokenizer.json")
    (model / "x").rename(model / "config.json")


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (change, "'config.json' has SHA-256"),
        (add, "'chat_template.jinja' is not signed"),
        (remove, "'README.md' is missing"),
        (swap, "'tokenizer.json' has SHA-256"),
    ],
)
def test_each_change_is_refused(
    read: Callable[[], Model], model: Path, tamper: Callable[[Path], None], reason: str
) -> None:
    publish(model)
    tamper(model)
    assert reason in refused(read)


def test_an_ignored_path_lets_nothing_in(read: Callable[[], Model], model: Path) -> None:
    document = json.loads(statement("tiny", digests(model)))
    document["predicate"]["serialization"]["ignore_paths"] += ["chat_template.jinja", "more", "."]
    (model / "model.sig").write_bytes(sealed(json.dumps(document).encode(), KEY))
    read()
    add(model)
    (model / "more").mkdir()
    (model / "more" / "config.json").write_text("{}")
    assert "'chat_template.jinja' is not signed; 'more/config.json' is not signed" in refused(read)


def test_nothing_hides_behind_the_signatures_own_name(read: Callable[[], Model], model: Path) -> None:
    (model / "more").mkdir()
    publish(model)
    (model / "more" / "model.sig").write_bytes(b"")
    with pytest.raises(CasemateError, match=r"more/model\.sig may hold code"):
        read()
    (model / "more" / "model.sig").unlink()
    (model / "model.sig").unlink()
    (model / "model.sig").mkdir()
    (model / "model.sig" / "config.json").write_text("{}")
    with pytest.raises(CasemateError, match=r"model\.sig/config\.json lies where a signature is expected"):
        read()


def test_what_is_signed_and_never_shipped_may_be_absent(read: Callable[[], Model], model: Path) -> None:
    publish(model, ".cache/huggingface/x.lock", "modeling.py", "figures/a.png")
    assert list(read().files) == sorted(digests(model))


def test_another_key_is_refused(read: Callable[[], Model], model: Path) -> None:
    publish(model, key=ec.generate_private_key(ec.SECP384R1()))
    assert "does not hold for" in refused(read)
    assert "by another key" in refused(read)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04\x95", b" " * (5 << 20)])
def test_what_is_no_signature_is_refused(read: Callable[[], Model], model: Path, content: bytes) -> None:
    (model / "model.sig").write_bytes(content)
    assert "model.sig does not hold for" in refused(read)


def test_a_demanded_signature_must_be_there(read: Callable[[], Model], model: Path) -> None:
    assert f"{model / 'model.sig'} cannot be read: No such file" in refused(read)


def test_the_key_must_be_there(read: Callable[[], Model], model: Path, tmp_path: Path) -> None:
    publish(model)
    (tmp_path / "publisher.pem").unlink()
    assert "publisher.pem cannot be read: No such file" in refused(read)


@pytest.mark.parametrize("key", [b"", KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())])
def test_the_key_must_be_a_public_one(read: Callable[[], Model], model: Path, tmp_path: Path, key: bytes) -> None:
    publish(model)
    (tmp_path / "publisher.pem").write_bytes(key)
    assert "the key is not a public key in PEM" in refused(read)


def test_the_first_of_many_faults_are_named(read: Callable[[], Model], model: Path) -> None:
    publish(model, *(f"model-{number}.json" for number in range(20)))
    assert refused(read).endswith("; and 12 more")


def test_a_signature_that_nobody_demands_is_said_to_be_unverified(model: Path, settings: Settings) -> None:
    said: list[Any] = []
    read_model(settings(), said.append)
    assert said == []
    (model / "model.sig").write_bytes(b"anything")
    assert "model.sig" not in read_model(settings(), said.append).files
    assert said == [f"{model / 'model.sig'} is not verified: release.publisher_key names no key"]
