"""`--only` names components; preflight always looks first."""

from types import ModuleType, SimpleNamespace

import pytest

from deploy.errors import SettingsError
from deploy.run.scope import scope

COMPONENTS = [ModuleType(f"deploy.components.{name}") for name in ("preflight", "docker", "network")]


def names(only: list[str] | None) -> list[str]:
    host = SimpleNamespace(data={"_only": only})
    return [component.__name__.rpartition(".")[2] for component in scope(host, COMPONENTS)]


def test_all_without_a_choice() -> None:
    assert names(None) == ["preflight", "docker", "network"]


def test_the_chosen_ones_in_their_own_order_behind_preflight() -> None:
    assert names(["network"]) == ["preflight", "network"]
    assert names(["network", "docker"]) == ["preflight", "docker", "network"]


def test_an_unknown_component_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="netwrok") as caught:
        names(["netwrok"])
    assert "network" in caught.value.next
