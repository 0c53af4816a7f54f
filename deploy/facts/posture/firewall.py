"""nftables, simplified so that a control can be written about a rule."""

import functools
import json
from typing import Any

from deploy.facts.posture.read import Json, output

_VERDICTS = ("accept", "drop", "reject", "return", "continue", "queue", "jump", "goto", "masquerade")
_REMARKS = ("counter", "log", "comment")


def only_item(value: Any) -> tuple[str, Any]:
    """The one key and value of an object as nft writes its expressions."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inside),) = value.items()
        return str(key), inside
    return "expression", value


def matched(left: Any) -> str:
    """The name of what a match looks at, such as iifname, ct_state or tcp_dport."""
    kind, what = only_item(left)
    if not isinstance(what, dict):
        return kind
    if kind == "payload":
        return f"{what.get('protocol')}_{what.get('field')}"
    names = {"meta": what.get("key"), "ct": f"ct_{what.get('key')}"}
    return str(names.get(kind, kind))


def simplified(expressions: Any) -> Json:
    """One rule as {name matched: value, "matches": [names], "verdict": word, "expr": what nft said}.

    "matches" names every condition, also those not understood here: a rule that drops "iifname csm0 and tcp dport 22"
    has two, and is never taken for one that drops all of csm0. A negated value is {"not": value}.
    """
    found: Json = {}
    matches, verdict = [], None
    for expression in expressions if isinstance(expressions, list) else []:
        kind, what = only_item(expression)
        if kind == "match" and isinstance(what, dict):
            name, right = matched(what.get("left")), what.get("right")
            value = right["set"] if isinstance(right, dict) and "set" in right else right
            matches.append(name)
            found[name] = {"not": value} if what.get("op") == "!=" else value
        elif kind in _VERDICTS:
            verdict = kind
            found |= {"target": what["target"]} if isinstance(what, dict) and "target" in what else {}
        elif kind not in _REMARKS:
            matches.append(kind)
    return {**found, "matches": matches, "verdict": verdict, "expr": expressions}


def parse_rules(listed: Json) -> Json:
    """`nft -j list ruleset` as {"family table": {chain: [rules in their order]}}."""
    tables: Json = {}
    for kind, item in map(only_item, listed["nftables"]):
        if kind == "table":
            tables.setdefault(f"{item['family']} {item['name']}", {})
        elif kind == "chain":
            tables.setdefault(f"{item['family']} {item['table']}", {}).setdefault(item["name"], [])
        elif kind == "rule":
            table = tables.setdefault(f"{item['family']} {item['table']}", {})
            table.setdefault(item["chain"], []).append(simplified(item.get("expr")))
    return tables


def parse_chains(listed: Json) -> Json:
    """The same listing as {"family table": {chain: {"hook", "type", "policy", "priority"}}}; null without a hook."""
    tables: Json = {}
    for kind, item in map(only_item, listed["nftables"]):
        if kind == "chain":
            known = {"hook": item.get("hook"), "type": item.get("type"), "policy": item.get("policy")}
            table = tables.setdefault(f"{item['family']} {item['table']}", {})
            table[item["name"]] = {**known, "priority": item.get("prio")}
    return tables


@functools.cache
def ruleset() -> Json:
    """All nftables rules, as nft says them."""
    return dict(json.loads(output("nft", "-j", "list", "ruleset")))
