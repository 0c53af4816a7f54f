"""One noun in its parallel places: a stranger finds the file in one guess."""

from pathlib import Path

import pytest

from deploy.paths import ROOT
from deploy.settings.host import HostSettings

COMPONENTS = tuple(HostSettings.model_fields)
TOP = {"deploy", "inventory", "templates", "service", "tests", "policies"}
VAGUE = ("manager", "helper", "utils", "common", "handler")


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(
    "place",
    [
        "deploy/settings/{}.py",
        "deploy/components/{}.py",
        "deploy/components/{}.md",
        "policies/{}.yaml",
        "tests/deploy/components/test_{}.py",
    ],
)
def test_a_component_has_the_same_name_everywhere(component: str, place: str) -> None:
    assert (ROOT / place.format(component)).is_file()


def names(pattern: str) -> set[str]:
    return {path.stem for path in ROOT.glob(pattern) if path.stem != "__init__"}


def test_nothing_else_calls_itself_a_component() -> None:
    assert names("deploy/components/*.py") == set(COMPONENTS)
    assert names("deploy/components/*.md") == set(COMPONENTS)
    assert names("policies/*.yaml") == set(COMPONENTS)
    assert {path.name for path in (ROOT / "templates").iterdir()} <= set(COMPONENTS)


def test_the_site_names_every_component_in_the_order_of_the_settings() -> None:
    site = (ROOT / "deploy" / "site.py").read_text()
    [line] = [line for line in site.splitlines() if line.startswith("for component in")]
    assert line.partition("(host, (")[2].rstrip("):").split(", ") == list(COMPONENTS)


def tracked(pattern: str) -> list[Path]:
    skipped = {".venv", "build", ".casemate"}
    return [path for path in ROOT.rglob(pattern) if not skipped & set(path.relative_to(ROOT).parts)]


def test_the_top_level_is_fixed() -> None:
    found = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert found - {"build", "casemate.egg-info"} == TOP


def test_no_file_has_a_vague_name() -> None:
    assert not [path for path in tracked("*.py") if any(word in path.stem for word in VAGUE)]


def test_a_file_is_one_idea() -> None:
    """Two screens; a longer file is listed by this failure and wants splitting at its second idea."""
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in tracked("*.py")}
    assert not {path: lines for path, lines in long.items() if lines > 260}
