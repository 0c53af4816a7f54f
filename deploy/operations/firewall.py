"""Our own nftables tables: what the kernel holds, compared rule by rule with what it should hold."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host

from deploy.errors import CasemateError
from deploy.facts.observed import Observed, observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.engine import UNIT, WALLS
from deploy.operations.phase import executing
from deploy.settings.network import NetworkSettings

TABLES = ("inet casemate", "bridge casemate")


@convergence
def firewall(path: str, settings: NetworkSettings) -> Commands:
    """The kernel holds our tables as the file `path` has them, and nothing else in them; loaded in one transaction.

    A table that somebody flushed or edited by hand is put right: the unit that loads it at boot would not notice.
    """
    found = _held(observed(host))
    wanted = "".join(f"{line}\n" for line in wanted_lines(settings))
    if found == wanted:
        host.noop("the firewall tables are loaded")
        return
    differs(f"nftables of {WALLS}", found, wanted)
    yield f"nft -f {path}"
    if found == "":
        # Who flushed all of ours flushed the engine's rules too; it puts them back when it starts.
        yield f"systemctl try-restart {UNIT}"


def _held(seen: Observed) -> str | None:
    """Our tables as text; None when nft is not there yet. Raises CasemateError when it should be and is silent."""
    if seen.section("nft") is None or seen.section("nft_chains") is None:
        if executing():
            raise CasemateError(f"nftables could not be read: {seen.why('nft')}", next="on the host: nft list tables")
        return None
    chains, rules = seen.required("nft_chains"), seen.required("nft")
    return "".join(
        f"{line}\n"
        for table in TABLES
        for chain, base in sorted(chains.get(table, {}).items())
        for line in lines(table, chain, base, rules.get(table, {}).get(chain, []))
    )


def wanted_lines(settings: NetworkSettings) -> Iterator[str]:
    """What templates/network/casemate.nft.j2 says, in the words of the snapshot."""
    inside: dict[str, Any] = {"iifname": settings.bridge}
    ours = {"prefix": {"addr": str(settings.subnet.network_address), "len": settings.subnet.prefixlen}}
    answer = {"ct_state": ["established", "related"], "ct_direction": "reply"}
    not_the_host = {"iifname": {"not": "lo"}}
    to_input = [{**inside, **answer, "verdict": "accept"}, _drop(inside), _drop({**not_the_host, "ip_daddr": ours})]
    routed = [_drop(inside), _drop({"oifname": settings.bridge})]
    switched = [_drop({match: ours}) for match in ("ip_saddr", "ip_daddr", "arp_saddr ip")]
    yield from lines(TABLES[0], "forward", _base("forward", -10), routed)
    yield from lines(TABLES[0], "input", _base("input", -10), to_input)
    yield from lines(TABLES[1], "forward", _base("forward", -200), switched)


def _drop(matches: dict[str, Any]) -> dict[str, Any]:
    return {**matches, "verdict": "drop"}


def _base(hook: str, priority: int) -> dict[str, Any]:
    return {"type": "filter", "hook": hook, "priority": priority, "policy": "accept"}


def lines(table: str, chain: str, base: dict[str, Any], rules: list[dict[str, Any]]) -> Iterator[str]:
    """A chain of the snapshot as text: one line for where it hooks in, one for each rule, in their order."""
    yield f"{table} {chain}: {base['type']} {base['hook']} {base['priority']} {base['policy']}"
    for rule in rules:
        matches = rule.get("matches", [key for key in rule if key != "verdict"])
        conditions = " ".join(f"{match}={_value(rule.get(match))}" for match in matches)
        yield f"{table} {chain}: {conditions} {rule['verdict']}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(sorted(map(str, value)))
    if isinstance(value, dict) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    if isinstance(value, dict) and "not" in value:
        return f"!{_value(value['not'])}"
    return str(value)
