"""The kernel's tables are compared rule by rule; `casemate.nft.json` is what nft 1.0.6 and 1.1.3 list alike."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.command import FunctionCommand

from deploy.facts.posture.firewall import parse_chains, parse_rules
from deploy.operations.change import differences
from deploy.operations.firewall import firewall
from deploy.settings.network import NetworkSettings

LISTED = json.loads((Path(__file__).parent / "casemate.nft.json").read_text())
WANTED = {
    "path": "/etc/casemate/network/casemate.nft",
    "settings": NetworkSettings.model_validate({"subnet": "172.31.250.0/24"}),
}
LOADS = ["nft -f /etc/casemate/network/casemate.nft"]


def seen(listed: dict[str, Any]) -> dict[str, Any]:
    return {"nft": parse_rules(listed), "nft_chains": parse_chains(listed)}


def items(listed: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [item[kind] for item in listed["nftables"] if kind in item]


def test_what_nft_lists_after_loading_is_what_is_wanted(commands: Any) -> None:
    assert commands(firewall, WANTED, **seen(LISTED)) == []


def test_rules_of_others_do_not_matter(commands: Any) -> None:
    more = [{"table": {"family": "ip", "name": "filter"}}, {"chain": {"family": "ip", "table": "filter", "name": "X"}}]
    assert commands(firewall, WANTED, **seen({"nftables": [*LISTED["nftables"], *more]})) == []


@pytest.mark.parametrize("index", range(len(items(LISTED, "rule"))))
def test_every_rule_counts(commands: Any, index: int) -> None:
    listed = deepcopy(LISTED)
    listed["nftables"].remove({"rule": items(listed, "rule")[index]})
    assert commands(firewall, WANTED, **seen(listed)) == LOADS


@pytest.mark.parametrize("index", range(len(items(LISTED, "rule"))))
def test_a_rule_that_lets_through_is_put_right(commands: Any, index: int) -> None:
    listed = deepcopy(LISTED)
    expressions = items(listed, "rule")[index]["expr"]
    expressions[-1] = {"drop": None} if "accept" in expressions[-1] else {"accept": None}
    assert commands(firewall, WANTED, **seen(listed)) == LOADS


@pytest.mark.parametrize("index", range(len(items(LISTED, "rule"))))
def test_a_rule_with_one_more_condition_is_put_right(commands: Any, index: int) -> None:
    listed = deepcopy(LISTED)
    port = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}
    items(listed, "rule")[index]["expr"].insert(0, port)
    assert commands(firewall, WANTED, **seen(listed)) == LOADS


def test_the_order_counts(commands: Any) -> None:
    listed = deepcopy(LISTED)
    first, second = (index for index, item in enumerate(listed["nftables"]) if "rule" in item and index < 6)
    rows = listed["nftables"]
    rows[first], rows[second] = rows[second], rows[first]
    assert commands(firewall, WANTED, **seen(listed)) == LOADS


@pytest.mark.parametrize("change", [{"prio": 10}, {"hook": "output"}, {"policy": "drop"}])
def test_where_a_chain_hooks_in_counts(commands: Any, change: dict[str, Any]) -> None:
    listed = deepcopy(LISTED)
    items(listed, "chain")[0].update(change)
    assert commands(firewall, WANTED, **seen(listed)) == LOADS


def test_a_strange_chain_of_ours_is_removed(commands: Any) -> None:
    listed = deepcopy(LISTED)
    chain = {"family": "inet", "table": "casemate", "name": "open", "type": "filter", "hook": "input", "prio": -20}
    listed["nftables"].append({"chain": {**chain, "policy": "accept"}})
    assert commands(firewall, WANTED, **seen(listed)) == LOADS


def test_a_flushed_table_is_shown_and_loaded_again(fake_host: Any) -> None:
    host = fake_host(nft={}, nft_chains={})
    found = [str(command) for command in firewall._inner(**WANTED)]
    assert found == [*LOADS, "systemctl try-restart docker.service"], "its rules are gone too"
    assert "+inet casemate input: iifname=csm0 drop" in differences(host, "operation")[0]


def test_another_subnet_is_loaded(commands: Any) -> None:
    other = NetworkSettings.model_validate({"subnet": "10.9.0.0/16"})
    assert commands(firewall, {**WANTED, "settings": other}, **seen(LISTED)) == LOADS


def test_a_plan_for_a_bare_host_loads_and_a_run_fails_closed(fake_host: Any) -> None:
    unreadable = {"nft": None, "nft_chains": None, "errors": {"nft": "nft is not installed"}}
    fake_host(**unreadable)
    assert [str(command) for command in firewall._inner(**WANTED)] == LOADS
    fake_host(executing=True, **unreadable)
    [command] = firewall._inner(**WANTED)
    assert isinstance(command, FunctionCommand)
    assert "nft is not installed" in command.args[0]
