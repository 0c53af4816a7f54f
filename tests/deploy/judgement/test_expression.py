"""CEL where "could not see" is an answer: nothing that was not seen may come out as true or false."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.judgement.expression import BadExpression, Unknown, compiled, holds, prepared, sections, value


def seen(host: dict[str, Any], **probe: Any) -> dict[str, Any]:
    return prepared({"host": host, "probe": probe})


def test_true_and_false() -> None:
    assert holds("host.docker.a == 1", seen({"docker": {"a": 1}})) is True
    assert holds("host.docker.a == 1", seen({"docker": {"a": 2}})) is False


@pytest.mark.parametrize(
    "expression",
    [
        "host.docker.x == 1",
        "host.docker.x != 1",
        "!(host.docker.x == 1)",
        "host.docker.x.all(y, y == 1)",
        "host.docker.list.all(y, y.z == 1)",
        "host.docker.list.exists(y, y.z == 7)",
        "!host.docker.list.exists(y, y.z == 7)",
        "host.docker.list.filter(y, y.z == 7).all(y, false)",
        "host.docker.list.map(y, y.z).size() == 2",
        "host.docker.map.all(k, host.docker.map[k].z == 1)",
        "host.docker['x'].y == 1",
        "host.docker.null.x == 1",
        "host.docker.x in [1]",
        "!(1 in host.docker.x)",
        "host.docker.number == 'a'",
        "host.docker.list[9] == 1",
        "host.docker.number",
        "host.docker.x ? true : true",
        "host.docker.null.all(x, true)",
        "nothing.of.this == 1",
    ],
)
def test_what_was_not_seen_is_neither_true_nor_false(expression: str) -> None:
    host = {"docker": {"list": [{"z": 1}, {}], "map": {"a": {"z": 1}, "b": {}}, "null": None, "number": 3}}
    with pytest.raises(Unknown):
        holds(expression, seen(host))


def test_a_false_part_decides_although_another_was_not_seen() -> None:
    host = seen({"docker": {"a": 1}})
    assert holds("host.docker.a == 2 && host.docker.x == 1", host) is False
    assert holds("host.docker.x == 1 && host.docker.a == 2", host) is False


def test_a_section_that_could_not_be_read_is_unknown_with_its_reason() -> None:
    host = {"docker": None, "errors": {"docker": "docker.service is inactive"}}
    with pytest.raises(Unknown, match=r"docker could not be read: docker\.service is inactive"):
        holds("host.docker.networks.size() == 0 || true", seen(host))


def test_a_section_that_nobody_looked_at_is_unknown() -> None:
    with pytest.raises(Unknown, match="it was not looked at"):
        holds("probe.icmp.reached == []", seen({}))


def test_the_reason_names_the_part_that_was_not_seen() -> None:
    with pytest.raises(Unknown, match=r"host.files\['/etc/x'\] was not seen"):
        holds("host.files['/etc/x'].mode == '0600' && host.files['/etc/x'].owner == 'root'", seen({"files": {}}))


def test_sections_are_found_wherever_they_stand() -> None:
    assert sections("host.nft['a'].b && probe.host_tcp.c.all(x, host.settings.d)") == [
        ("host", "nft"),
        ("host", "settings"),
        ("probe", "host_tcp"),
    ]


def test_numbers_larger_than_cel_s_are_still_compared() -> None:
    host = seen({"limits": {"memory": 2**64, "swap": 0}})
    assert holds("host.limits.memory > 1024 && host.limits.swap == 0", host)


def test_a_value_is_plain_json() -> None:
    host = seen({"docker": {"list": ["a", "b"], "ok": True, "n": 7, "f": 0.5, "none": None}})
    assert value("host.docker.list.map(x, x + '!')", host) == ["a!", "b!"]
    assert value("{'a': host.docker.ok, 'b': host.docker.n, 'c': host.docker.f, 'd': host.docker.none}", host) == {
        "a": True,
        "b": 7,
        "c": 0.5,
        "d": None,
    }


def test_what_is_no_cel_is_said_to_be_none() -> None:
    with pytest.raises(BadExpression):
        compiled("host.docker ==")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.long
@given(JSON)
def test_any_host_is_judged_without_an_error_of_python(docker: Any) -> None:
    for expression in (
        "host.docker.a == 1",
        "host.docker.all(x, x.y == 'z')",
        "host.docker.size() > 0 && host.docker.b",
    ):
        try:
            holds(expression, seen({"docker": docker}))
        except Unknown:
            continue
