"""Settings: layered, strict, and every fault with its place."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import SettingsError
from deploy.paths import ROOT
from deploy.settings.load import Layer, load_inventory, merge

COMMON = """
release = {"model": "m", "model_name": "glm-4v"}
vision = {"golden": {"picture": "p.png", "question": "?", "answer": "red"}}
proxy = {"server_name": "vision.example.org"}
"""


def write(folder: Path, inventory: str = 'gpu = ["gpu1"]', **groups: str) -> str:
    (folder / "group_data").mkdir()
    (folder / "site.py").write_text(inventory)
    for name, text in {"all": COMMON, **groups}.items():
        (folder / "group_data" / f"{name}.py").write_text(dedent(text))
    return str(folder / "site.py")


def test_the_nearer_layer_wins_key_by_key(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        inventory='gpu = [("gpu1", {"vision": {"pids": 99}}), "gpu2"]',
        gpu='vision = {"memory": "20g", "pids": 50, "cpus": 2.0}',
    )
    first, second = load_inventory(file, ["vision.cpus=3.5"])
    assert (first.settings.vision.memory, first.settings.vision.pids, first.settings.vision.cpus) == ("20g", 99, 3.5)
    assert (second.settings.vision.memory, second.settings.vision.pids) == ("20g", 50)
    assert second.settings.vision.golden.answer == "red"


def fault(file: str, *data: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_inventory(file, data)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_mistyped_setting_is_named_with_its_file_and_the_likely_one(tmp_path: Path) -> None:
    said = fault(write(tmp_path, gpu='vision = {"memroy": "20g"}'))
    assert "group_data/gpu.py: vision.memroy: unknown setting, expected memory?" in said


def test_a_mistyped_component_is_named(tmp_path: Path) -> None:
    assert "netwrok: unknown setting, expected network?" in fault(write(tmp_path, gpu='netwrok = {"name": "x"}'))


def test_a_wrong_value_says_got_and_expected(tmp_path: Path) -> None:
    said = fault(write(tmp_path, gpu='network = {"subnet": "172.31.250.7/24"}'))
    assert "gpu.py: network.subnet: got '172.31.250.7/24', expected a network such as 172.31.250.0/24" in said


def test_a_value_of_the_wrong_form_says_the_form(tmp_path: Path) -> None:
    said = fault(write(tmp_path, gpu='vision = {"memory": "much"}'))
    assert "vision.memory: got 'much', expected what matches ^[1-9]" in said


def test_a_missing_setting_says_what_to_write(tmp_path: Path) -> None:
    said = fault(write(tmp_path, all=COMMON.replace('"server_name": "vision.example.org"', "")))
    assert "proxy.server_name: is missing, expected Name in the certificate." in said


def test_all_faults_of_all_hosts_are_reported_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, inventory='gpu = [("a", {"docker": {"x": 1}}), ("b", {"logs": {"keep": 0}})]')
    said = fault(file, "proxy.port=0")
    assert "docker.x" in said
    assert "logs.keep" in said
    assert said.count("proxy.port") == 2


def test_two_groups_that_disagree_are_an_error(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        inventory='gpu = ["gpu1"]\nwest = ["gpu1"]',
        gpu='vision = {"memory": "20g"}',
        west='vision = {"memory": "30g"}',
    )
    assert "vision.memory" in fault(file)


def test_a_key_and_its_certificate_belong_together(tmp_path: Path) -> None:
    assert "belong together" in fault(write(tmp_path, gpu='proxy = {"certificate": "c.pem"}'))


def test_an_inventory_that_raises_is_reported_with_its_file(tmp_path: Path) -> None:
    assert "site.py: ZeroDivisionError" in fault(write(tmp_path, inventory="gpu = [1/0]"))
    assert "no such inventory" in fault(str(tmp_path / "none.py"))


def test_the_production_example_is_valid() -> None:
    assert [host.name for host in load_inventory(str(ROOT / "inventory" / "production.example.py"))]


leaf = st.one_of(st.integers(), st.text(max_size=3))
tree: st.SearchStrategy[Any] = st.dictionaries(
    st.sampled_from("abc"), st.one_of(leaf, st.dictionaries(st.sampled_from("xyz"), leaf, min_size=1)), max_size=3
)


@given(low=tree, high=tree)
def test_the_stronger_layer_is_always_whole_in_the_merge(low: dict[str, Any], high: dict[str, Any]) -> None:
    merged, origins, faults = merge([Layer("low", low, 0), Layer("high", high, 1)])
    assert not faults
    for key, value in high.items():
        if isinstance(value, dict):
            assert value.items() <= merged[key].items()
            assert all(origins[key, inner] == "high" for inner in value)
        else:
            assert merged[key] == value
    for key, value in low.items():
        if key not in high:
            assert merged[key] == value
