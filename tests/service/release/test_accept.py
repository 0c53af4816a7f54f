"""A release is let in whole and signed, or not at all."""

import json
import subprocess
from typing import Any

import pytest

from service.release.accept import accept
from service.release.errors import ReleaseError, Resend
from tests.service.release.conftest import Host, hexdigest


def refused(host: Host, directory: Any, match: str, **arguments: Any) -> None:
    before = host.state() if (host.layout.releases / "state.json").exists() else None
    containers = dict(host.double.containers)
    with pytest.raises(ReleaseError, match=match):
        accept(host.layout, host.engine, directory, **arguments)
    assert (host.state() if before else before) == before
    assert host.double.containers == containers


def test_a_signed_whole_release_is_accepted(host: Host) -> None:
    release = host.build()
    host.accept(release)
    state = host.state()
    assert (state["admitted"], state["accepted_sequence"]) == (release.id, 100)
    [record] = state["releases"]
    assert record["image"] in host.double.images
    model = host.layout.models / record["model"]
    assert (model / "weights/model.safetensors").read_bytes() == b"weights" * 1000
    assert sorted(path.name for path in host.layout.blobs.iterdir()) == sorted(
        digest for digest in release.blobs if release.blobs[digest] in (b"{}", b"weights" * 1000)
    )


def test_accepting_again_changes_nothing(host: Host) -> None:
    release = host.build()
    host.accept(release)
    accept(host.layout, host.engine, host.layout.releases / release.id)
    assert len(host.state()["releases"]) == 1
    assert len(host.double.loaded_bytes) == 1


@pytest.mark.parametrize(("key", "namespace"), [("other", "casemate-release-v1"), ("release", "git")])
def test_another_key_or_purpose_is_refused(host: Host, key: str, namespace: str) -> None:
    release = host.build()
    refused(host, host.deliver(release, signature=host.sign(release.document, key, namespace)), "signature|no key")


def test_no_signature_is_refused(host: Host) -> None:
    directory = host.deliver(host.build())
    (directory / "manifest.json.sig").unlink()
    refused(host, directory, "unsigned")


def test_a_changed_manifest_is_refused(host: Host) -> None:
    host.deploy()
    release = host.build(sequence=200, code=b"new code")
    directory = host.deliver(release)
    manifest = json.loads(release.document)
    manifest["configuration"]["vision"]["user"] = "0:0"
    (directory / "manifest.json").write_text(json.dumps(manifest))
    refused(host, directory, "signature")


def test_a_revoked_key_is_refused(host: Host, keys: Any) -> None:
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(host.layout.revoked), str(keys / "release.pub")], check=True)
    refused(host, host.deliver(host.build()), "signature")


def test_an_older_release_is_refused_unless_asked_for(host: Host) -> None:
    old, new = host.build(sequence=100), host.build(sequence=200, code=b"new")
    host.accept(old)
    host.accept(new)
    refused(host, host.deliver(old), "older than what this host accepted")
    accept(host.layout, host.engine, host.layout.incoming / old.id, rollback=True)
    assert (host.state()["admitted"], host.state()["accepted_sequence"]) == (old.id, 200)


def test_an_id_that_is_not_the_contents_is_refused(host: Host) -> None:
    release = host.build()
    document = release.document.replace(release.id.encode(), b"0123456789ab")
    release.document = document
    refused(host, host.deliver(release), "another id")


@pytest.mark.parametrize("content", [b"code", b"wheels", b"{}", b"weights" * 1000])
def test_a_tampered_file_is_refused_and_thrown_away(host: Host, content: bytes) -> None:
    live = host.deploy(code=b"old")
    host.layout.blobs.joinpath(hexdigest(content)).unlink(missing_ok=True)
    for directory in host.layout.models.iterdir():
        for path in directory.rglob("*.*"):
            path.unlink()
    host.double.images = {name: image for name, image in host.double.images.items() if False}
    release = host.build(sequence=200)
    directory = host.deliver(release)
    (host.layout.blobs / hexdigest(content)).write_bytes(b"x" + content[1:])
    with pytest.raises(Resend, match="signed"):
        accept(host.layout, host.engine, directory)
    assert not (host.layout.blobs / hexdigest(content)).exists()
    assert host.state()["admitted"] == live.id
    host.accept(release)
    assert host.state()["admitted"] == release.id


def test_a_tampered_live_model_is_found_and_made_anew(host: Host) -> None:
    release = host.build()
    host.accept(release)
    weights = host.layout.models / host.state()["releases"][0]["model"] / "weights/model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(b"poison!" * 1000)
    with pytest.raises(ReleaseError, match=r"not the signed weights/model\.safetensors"):
        host.handover(release)
    with pytest.raises(Resend):
        accept(host.layout, host.engine, host.layout.releases / release.id)
    host.accept(release)
    host.handover(release)
    assert weights.read_bytes() == b"weights" * 1000
    known = json.loads(host.layout.verified.read_text())
    for path in (
        path for path in host.layout.models.glob("*/**/*") if path.is_file()
    ):  # Else a deploy would do it again.
        stat = path.stat()
        assert known[f"{stat.st_dev}:{stat.st_ino}"][2] == str(stat.st_ctime_ns)


def test_a_file_that_is_not_the_models_is_found(host: Host) -> None:
    release = host.build()
    host.accept(release)
    (host.layout.models / host.state()["releases"][0]["model"] / "modeling.py").write_text("evil")
    with pytest.raises(ReleaseError, match=r"modeling\.py is not part of the model"):
        host.handover(release)


def test_only_missing_layers_are_loaded(host: Host) -> None:
    host.accept(host.build())
    release = host.build(sequence=200, code=b"new code")
    accept(host.layout, host.engine, host.deliver(release, without=tuple(release.layers[:2])))
    assert host.state()["admitted"] == release.id


def test_missing_layers_that_the_engine_has_not_are_asked_for(host: Host) -> None:
    release = host.build()
    directory = host.deliver(release, without=tuple(release.layers[:2]))
    with pytest.raises(Resend, match="1 of 3 layers"):
        accept(host.layout, host.engine, directory)
    host.accept(release)


def test_an_image_that_is_not_the_signed_one_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    load = host.double._load

    def swapped(body: bytes) -> tuple[int, Any]:
        answer = load(body)
        [(identity, image)] = host.double.images.items()
        host.double.images = {"sha256:" + "0" * 64: {**image, "Id": "sha256:" + "0" * 64}}
        assert identity
        return answer

    monkeypatch.setattr(host.double, "_load", swapped)
    refused(host, host.deliver(host.build()), "not the signed")


def test_an_engine_that_does_not_answer_is_named(host: Host) -> None:
    directory = host.deliver(host.build())
    host.double.close()
    refused(host, directory, "engine did not answer")


def test_a_name_that_leaves_the_model_is_refused(host: Host) -> None:
    release = host.build()
    manifest = json.loads(release.document)
    manifest["model"]["files"]["../../etc/cron.d/x"] = {"sha256": "0" * 64, "size": 1}
    from service.release.manifest import canonical

    body = {key: value for key, value in manifest.items() if key not in ("release", "sequence", "created")}
    manifest["release"] = hexdigest(canonical(body))[:12]
    release.document, release.id = canonical(manifest), manifest["release"]
    refused(host, host.deliver(release), "outside the model")
