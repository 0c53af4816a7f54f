"""nft's JSON, made simple without losing a condition."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.posture.firewall import parse_chains, parse_rules, simplified


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


IIFNAME = match({"meta": {"key": "iifname"}}, "csm0")
DPORT = match({"payload": {"protocol": "tcp", "field": "dport"}}, 22)
STATE = match({"ct": {"key": "state"}}, ["established", "related"], "in")
DROP = {"drop": None}


def test_a_rule_is_its_matches_and_its_verdict() -> None:
    found = simplified([IIFNAME, {"counter": {"packets": 3, "bytes": 9}}, DROP])
    assert (found["iifname"], found["matches"], found["verdict"]) == ("csm0", ["iifname"], "drop")


def test_a_second_condition_is_never_lost() -> None:
    """A rule that drops one port must not look like one that drops everything."""
    assert simplified([IIFNAME, DPORT, DROP])["matches"] == ["iifname", "tcp_dport"]


@pytest.mark.parametrize(
    "condition",
    [
        {"limit": {"rate": 5, "per": "second"}},
        {"xt": {"type": "match", "name": "addrtype"}},
        {"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": []}}},
        {"something": "new"},
        "words",
        {"two": 1, "keys": 2},
        match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"),
    ],
)
def test_a_condition_that_is_not_understood_still_counts(condition: Any) -> None:
    assert len(simplified([IIFNAME, condition, DROP])["matches"]) == 2


def test_a_negated_value_is_not_the_value() -> None:
    assert simplified([match({"meta": {"key": "iifname"}}, "lo", "!="), DROP])["iifname"] == {"not": "lo"}


def test_sets_states_and_jumps() -> None:
    found = simplified([match({"meta": {"key": "iifname"}}, {"set": ["a", "b"]}), STATE, {"jump": {"target": "x"}}])
    assert found["iifname"] == ["a", "b"]
    assert found["ct_state"] == ["established", "related"]
    assert (found["verdict"], found["target"]) == ("jump", "x")


LISTING = {
    "nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "casemate", "handle": 1}},
        {
            "chain": {
                "family": "inet",
                "table": "casemate",
                "name": "input",
                "type": "filter",
                "hook": "input",
                "prio": -10,
                "policy": "accept",
            }
        },
        {"chain": {"family": "inet", "table": "casemate", "name": "plain"}},
        {"rule": {"family": "inet", "table": "casemate", "chain": "input", "expr": [IIFNAME, DROP]}},
        {"rule": {"family": "inet", "table": "casemate", "chain": "input", "expr": [DPORT, {"accept": None}]}},
    ]
}


def test_rules_stand_in_their_order_and_empty_chains_are_there() -> None:
    table = parse_rules(LISTING)["inet casemate"]
    assert [rule["verdict"] for rule in table["input"]] == ["drop", "accept"]
    assert table["plain"] == []


def test_a_chain_says_where_it_hooks_in_or_that_it_does_not() -> None:
    table = parse_chains(LISTING)["inet casemate"]
    assert table["input"] == {"hook": "input", "type": "filter", "policy": "accept", "priority": -10}
    assert table["plain"]["hook"] is None


def test_an_answer_without_a_listing_is_an_error_and_not_an_empty_firewall() -> None:
    with pytest.raises(KeyError):
        parse_rules({})


NAMES = st.text("xyz", max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=4))
def test_any_expressions_are_read_and_each_that_is_no_remark_or_verdict_is_a_condition(expressions: list[Any]) -> None:
    found = simplified([*expressions, DROP])
    assert len(found["matches"]) == len(expressions)
