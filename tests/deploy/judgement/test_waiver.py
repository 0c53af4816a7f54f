"""waivers.yaml, beside the inventory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import SettingsError
from deploy.judgement.control import Control
from deploy.judgement.waiver import load_waivers

WAIVER = "- {control: some-truth, host: gpu*, reason: approved by the board, until: 2027-01-31}\n"


def inventory(folder: Path, waivers: str | None) -> str:
    if waivers is not None:
        (folder / "waivers.yaml").write_text(waivers)
    return str(folder / "production.py")


def test_waivers_are_read_beside_the_inventory(tmp_path: Path, control: Callable[..., Control]) -> None:
    [found] = load_waivers(inventory(tmp_path, WAIVER), [control()])
    assert (found.control, str(found.until)) == ("some-truth", "2027-01-31")
    assert found.covers(control(), "gpu7")


@pytest.mark.parametrize("content", [None, "", "[]\n"])
def test_no_file_and_an_empty_one_waive_nothing(
    tmp_path: Path, control: Callable[..., Control], content: str | None
) -> None:
    assert load_waivers(inventory(tmp_path, content), [control()]) == []


@pytest.mark.parametrize(
    "content",
    [
        WAIVER.replace("some-truth", "some-turth"),
        WAIVER.replace("approved by the board", "because"),
        WAIVER.replace("2027-01-31", "for ever"),
        WAIVER.replace("until", "untill"),
        "{a: b}\n",
        "- [\n",
    ],
)
def test_a_faulty_waiver_is_a_settings_error_and_never_silently_nothing(
    tmp_path: Path, control: Callable[..., Control], content: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load_waivers(inventory(tmp_path, content), [control()])
    assert "waivers.yaml" in error.value.message
    assert error.value.exit_code == 2
