"""The controls themselves: each can pass, can fail, and never passes over what was not seen."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.facts.posture.snapshot import SECTIONS
from deploy.facts.probed import PROBES
from deploy.judgement.control import Control, load_controls
from deploy.judgement.expression import holds, prepared, sections, value
from deploy.judgement.finding import judge
from deploy.settings.host import HostSettings

CONTROLS = load_controls()
DERIVED = {"settings", "containers", "daemon", "doors", "keyless", "room", "forwards"}
KNOWN = {("host", name) for name in {*SECTIONS, *DERIVED}} | {("probe", name) for name in PROBES}

MAY_BE_EMPTY = {
    "docker-trusts-no-insecure-registry": {"InsecureRegistryCIDRs", "IndexConfigs"},
    "journal-survives-a-reboot": {"/var/log/journal"},
    "first-keys-are-with-the-operator": {"keys"},
    "turned-over-logs-are-sealed": {"open"},
    "firewall-drops-what-containers-begin": {"ct_state"},
    "container-is-on-no-other-network": {"casemate"},
    "container-has-no-way-out": {"routes", "ipv6_interfaces"},
    "container-publishes-no-port": {"listeners"},
    "release-weights-are-read-only": {"options"},
    "container-mounts-only-casemate-s-own": {"Mounts", "peers"},
    "container-memory-is-bounded": {"resources"},
}
"""Where nothing is good news, or where only `got` looks, or where another part of the check decides."""

MAY_BE_NULL = {
    "journal-survives-a-reboot": {"/var/log/journal"},
    "container-is-on-no-other-network": {"casemate"},
    "release-weights-are-read-only": {"options"},
}

each = pytest.mark.parametrize("control", CONTROLS, ids=lambda control: str(control.id))


def verdict(control: Control, host: Any, probe: Any) -> str:
    [found] = judge([control], {"host": host, "probe": probe})
    return found.verdict


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every object and list in it."""
    if isinstance(value, (dict, list)):
        yield path
        for key, inside in value.items() if isinstance(value, dict) else enumerate(value):
            yield from parts(inside, (*path, key))


def replaced(example: dict[str, Any], path: tuple[Any, ...], new: Any) -> dict[str, Any]:
    """The same with something else at that place."""
    changed = copy.deepcopy(example)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return changed


def good(control: Control) -> dict[str, Any]:
    return {"host": control.good.host, "probe": control.good.probe}


@each
def test_the_good_example_passes_and_the_bad_one_fails(control: Control) -> None:
    assert verdict(control, control.good.host, control.good.probe) == "passed"
    assert verdict(control, control.bad.host, control.bad.probe) == "failed"


@each
def test_a_failure_says_what_was_got(control: Control) -> None:
    shown = value(control.got, prepared({"host": control.bad.host, "probe": control.bad.probe}))
    assert shown is not None
    assert shown != []


@each
def test_an_empty_snapshot_is_unknown(control: Control) -> None:
    assert verdict(control, {}, {}) == "unknown"


@each
def test_a_section_that_could_not_be_read_is_unknown_with_its_reason(control: Control) -> None:
    for variable, section in sections(control.check):
        seen = good(control)
        seen[variable] = {**seen[variable], section: None, "errors": {section: "permission denied"}}
        [found] = judge([control], seen)
        assert found.verdict == "unknown"
        assert "permission denied" in str(found.reason)


@each
def test_null_never_passes_wherever_it_stands(control: Control) -> None:
    for path in parts(good(control)):
        if len(path) > 1 and path[-1] not in MAY_BE_NULL.get(control.id, ()):
            changed = replaced(good(control), path, None)
            assert verdict(control, changed["host"], changed["probe"]) != "passed", path


@each
def test_nothing_there_passes_only_where_that_is_meant(control: Control) -> None:
    for path in parts(good(control)):
        if len(path) > 1 and path[-1] not in MAY_BE_EMPTY.get(control.id, ()):
            empties: list[Any] = [{}, []]
            for empty in empties:
                changed = replaced(good(control), path, empty)
                was_empty = replaced(good(control), path, empty) == good(control)
                assert was_empty or verdict(control, changed["host"], changed["probe"]) != "passed", path


@each
def test_every_section_that_is_asked_for_exists(control: Control) -> None:
    assert {*sections(control.check), *sections(control.got)} <= KNOWN


@each
def test_a_check_uses_nothing_that_takes_absent_for_good(control: Control) -> None:
    """In this CEL `has()` is false and `size()` is 0 for what was never seen."""
    assert "has(" not in control.check
    assert not re.search(r"size\(\) *(==|<)", control.check)


@each
def test_what_is_asked_of_all_containers_needs_one(control: Control) -> None:
    if "host.containers" in control.check and ("host", "containers") in sections(control.check):
        changed = {**control.good.host, "containers": []}
        assert verdict(control, changed, control.good.probe) != "passed"


@each
def test_one_bad_container_among_good_ones_is_found(control: Control) -> None:
    if isinstance(control.bad.host.get("containers"), list) and isinstance(control.good.host.get("containers"), list):
        both = [*control.good.host["containers"], *control.bad.host["containers"]]
        rest = {**control.good.host, **control.bad.host}
        assert verdict(control, {**rest, "containers": both}, control.good.probe) != "passed"


@each
def test_a_remedy_names_components_that_exist(control: Control) -> None:
    assert set(re.findall(r"--only (\S+?)(?=[ ,;.]|$)", control.remedy)) <= set(HostSettings.model_fields)
    assert "INVENTORY" in control.remedy or "host" in control.remedy or "sshd_config" in control.remedy


def test_titles_are_told_apart() -> None:
    titles = [control.title for control in CONTROLS]
    assert len(set(titles)) == len(titles) >= 18


def test_the_dozen_that_the_promise_rests_on_is_there() -> None:
    assert {
        "container-cannot-reach-the-host",
        "container-has-no-way-out",
        "container-resolves-no-name",
        "container-cannot-reach-other-containers",
        "container-is-on-no-other-network",
        "container-publishes-no-port",
        "container-has-no-capability",
        "container-gains-no-privileges",
        "container-system-calls-are-filtered",
        "container-root-is-read-only",
        "isolated-network-is-internal",
        "firewall-drops-what-containers-begin",
        "firewall-forwards-nothing-of-the-isolated-network",
        "docker-listens-on-no-network",
        "door-key-is-root-s-alone",
        "release-runs-the-signed-image",
    } <= {control.id for control in CONTROLS}


DROP_SSH = {"matches": ["iifname", "tcp_dport"], "iifname": "csm0", "tcp_dport": 22, "verdict": "drop"}
ACCEPT_ALL = {"matches": ["iifname"], "iifname": "csm0", "verdict": "accept"}
NEW_TOO = {"matches": ["ct_state"], "ct_state": ["established", "new"], "verdict": "accept"}
NOT_OURS = {"matches": ["iifname"], "iifname": {"not": "csm0"}, "verdict": "drop"}
OTHER = {"matches": ["iifname"], "iifname": "docker0", "verdict": "drop"}
JUMP = {"matches": [], "verdict": "jump", "target": "elsewhere"}


@pytest.mark.parametrize(
    "rules",
    [[DROP_SSH], [NOT_OURS], [OTHER], []],
    ids=["one port only", "everything else", "another bridge", "no rule"],
)
def test_a_firewall_without_the_wall_does_not_pass(rules: list[dict[str, Any]]) -> None:
    [control] = [control for control in CONTROLS if control.id == "firewall-drops-what-containers-begin"]
    host = replaced(good(control), ("host", "nft", "inet casemate", "input"), rules)["host"]
    assert verdict(control, host, {}) != "passed"


@pytest.mark.parametrize("hole", [ACCEPT_ALL, NEW_TOO, JUMP], ids=["accept", "new connections", "jump"])
def test_a_firewall_with_a_hole_before_the_wall_does_not_pass(hole: dict[str, Any]) -> None:
    [control] = [control for control in CONTROLS if control.id == "firewall-drops-what-containers-begin"]
    wall = control.good.host["nft"]["inet casemate"]["input"]
    host = replaced(good(control), ("host", "nft", "inet casemate", "input"), [hole, *wall])["host"]
    assert verdict(control, host, {}) != "passed"


@pytest.mark.parametrize("hook", ["output", None])
def test_a_firewall_chain_that_sees_no_packet_does_not_pass(hook: str | None) -> None:
    [control] = [control for control in CONTROLS if control.id == "firewall-drops-what-containers-begin"]
    host = replaced(good(control), ("host", "nft_chains", "inet casemate", "input", "hook"), hook)["host"]
    assert verdict(control, host, {}) != "passed"


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("    ssl_protocols TLSv1.2 TLSv1.3;", True),
        ("    ssl_protocols TLSv1.1 TLSv1.2 TLSv1.3;", False),
        ("    # ssl_protocols TLSv1.2 TLSv1.3;", False),
        ("    ssl_protocols TLSv1.2 TLSv1.3;\nserver { ssl_protocols TLSv1 TLSv1.2; }", False),
        ("", False),
    ],
)
def test_old_tls_is_found_in_nginx_s_configuration(line: str, passes: bool) -> None:
    [control] = [control for control in CONTROLS if control.id == "door-speaks-modern-tls-only"]
    place = ("host", "files", "/etc/nginx/nginx.conf", "content")
    host = replaced(good(control), place, f"http {{\n{line}\n}}\n")["host"]
    assert holds(control.check, prepared({"host": host, "probe": {}})) is passes
