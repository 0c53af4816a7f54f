"""casemate release: tables for people, JSON for programs, 1 where something is not as signed."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from deploy import paths
from deploy.cli.release import release
from deploy.release.image import image_of
from deploy.release.layer import packed_layer
from deploy.release.model import File, Model
from deploy.release.packing import Member
from deploy.release.signed import Signed, signed_release
from deploy.settings.release import ReleaseSettings

Sign = Callable[..., Signed]


@pytest.fixture
def sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sign:
    """A signed release of one layer and one file; `memory` makes another one."""
    monkeypatch.setenv("CASEMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "STATE", tmp_path / "state")
    (tmp_path / "config.json").write_bytes(b"{}")
    settings = ReleaseSettings(
        variant="cpu", model=tmp_path, model_name="tiny", signing_key=tmp_path / "state" / "signing" / "release"
    )

    def make(memory: str = "1g", newer_than: int = 0) -> Signed:
        layer = packed_layer("code", "x", lambda: [Member("app.py", 0o644, 1, lambda: io.BytesIO(b"\n"))])
        model = Model("tiny", {"config.json": File(hashlib.sha256(b"{}").hexdigest(), 2)}, tmp_path)
        return signed_release(settings, image_of(layer), model, {"vision": {"memory": memory}}, newer_than)

    return make


def run(*arguments: str) -> Result:
    return CliRunner().invoke(release, arguments)


def test_build_names_each_hosts_release(sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = [SimpleNamespace(name=name, settings=memory) for name, memory in (("gpu1", "1g"), ("gpu2", "2g"))]
    monkeypatch.setattr("deploy.cli.release.load_inventory", lambda *arguments: hosts)
    monkeypatch.setattr(
        "deploy.cli.release.built", lambda memory: SimpleNamespace(signed=lambda newer_than: sign(memory, newer_than))
    )
    result = run("build", "inventory/lab.py", "--json")
    found = json.loads(result.stdout)
    assert [one["host"] for one in found] == ["gpu1", "gpu2"]
    assert found[0]["release"] == sign("1g").manifest.release != found[1]["release"]
    assert found[0]["image"]["size"] == sum(found[0]["image"]["sizes"])
    assert "2 signed" in result.stderr
    assert all(Path(found[0]["model"][key]).is_file() for key in ("signature", "public_key"))


def test_show_lists_the_newest_first(sign: Sign) -> None:
    first = sign()
    second = sign("2g", first.manifest.sequence)
    ids = [one["release"] for one in json.loads(run("show", "--json").stdout)]
    assert ids == [second.manifest.release, first.manifest.release]
    assert second.manifest.release in run("show").stdout


def test_show_of_nothing_is_an_empty_list(sign: Sign) -> None:
    del sign
    assert json.loads(run("show", "--json").stdout) == []


def test_verify_judges_the_newest(sign: Sign) -> None:
    release_id = sign().manifest.release
    result = run("verify", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["release"], found["verified"]) == (release_id, True)
    assert [check["part"].split()[0] for check in found["checks"]] == ["signature", "model.sig", "layer", "model"]


def test_verify_names_what_is_not_as_signed(sign: Sign, tmp_path: Path) -> None:
    release_id = sign().manifest.release
    (tmp_path / "config.json").write_bytes(b"[]")
    result = run("verify", release_id)
    assert result.exit_code == 1
    assert "config.json has SHA-256" in result.stdout


def test_verify_without_a_release_says_what_comes_first(sign: Sign) -> None:
    del sign
    result = run("verify")
    assert result.exit_code == 2
    assert "casemate release build" in result.stderr
