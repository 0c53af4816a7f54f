"""What is built for a host, and in which order."""

from pathlib import Path

import pytest

from deploy.errors import SettingsError
from deploy.operations import built as module
from tests.deploy.operations.releases import settings_in


def test_a_model_that_is_not_there_shows_before_an_image_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(module, "build_image", lambda *_: fetched.append("image"))
    settings = settings_in(tmp_path)
    wrong = settings.release.model_copy(update={"model": tmp_path / "nowhere"})
    with pytest.raises(SettingsError, match="nowhere is not a directory"):
        module.built(settings.model_copy(update={"release": wrong}))
    assert fetched == []
