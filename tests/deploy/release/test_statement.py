"""The statement: files and digests, all of them, each once."""

import contextlib
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploy.release.bundle import BadSignature
from deploy.release.statement import stated_digests, statement

FILES = {"config.json": "1" * 64, "more/a.json": "2" * 64}

parts = some.text(some.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=4)
names = some.lists(parts.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3).map("/".join)
hexes = some.binary(min_size=32, max_size=32).map(bytes.hex)


@given(some.dictionaries(names, hexes, max_size=5))
def test_what_is_stated_is_read(files: dict[str, str]) -> None:
    assert stated_digests(statement("tiny", files)) == files


def test_directories_come_before_what_is_longer() -> None:
    document = json.loads(statement("tiny", {"a.json": "1" * 64, "a/b.json": "2" * 64}))
    assert [one["name"] for one in document["predicate"]["resources"]] == ["a/b.json", "a.json"]


def resource(name: str, digest: str = "3" * 64, algorithm: str = "sha256") -> dict[str, str]:
    return {"name": name, "algorithm": algorithm, "digest": digest}


def made(*resources: dict[str, Any], **serialization: Any) -> dict[str, Any]:
    document = dict(json.loads(statement("tiny", FILES)))
    document["predicate"]["resources"] += resources
    document["predicate"]["serialization"].update(serialization)
    digests = [bytes.fromhex(one["digest"]) for one in document["predicate"]["resources"]]
    document["subject"][0]["digest"]["sha256"] = hashlib.sha256(b"".join(digests)).hexdigest()
    return document


def without_sum(document: dict[str, Any]) -> dict[str, Any]:
    document["subject"][0]["digest"]["sha256"] = "0" * 64
    return document


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (made(resource("/etc/passwd")), "'/etc/passwd' is no path inside a model"),
        (made(resource("../config.json")), "is no path inside"),
        (made(resource("more/../../x.json")), "is no path inside"),
        (made(resource("./b.json")), "is no path inside"),
        (made(resource("more//b.json")), "is no path inside"),
        (made(resource("")), "is no path inside"),
        (made(resource(".")), "is no path inside"),
        (made(resource("config.json")), "'config.json' is in it twice"),
        (made(resource("b.json", "33" * 64, "blake2b")), "digests are 'blake2b', 'sha256'"),
        (made(resource("b.json", "3" * 62)), "digest of 'b.json' is no SHA-256"),
        (made(hash_type="blake3"), "digests are 'blake3', 'sha256', expected 'sha256'"),
        (made(hash_type="SHA256"), "digests are 'SHA256', 'sha256'"),
        (made(method="shards", shard_size=9), "over pieces of files"),
        (made(method=None), "predicate.serialization.method"),
        (without_sum(made()), "do not add up"),
        ({**made(), "predicateType": "https://model_signing/Digests/v0.1"}, "predicateType is"),
        ({**made(), "predicateType": "https://slsa.dev/provenance/v1"}, "predicateType is"),
        ({**made(), "_type": "https://in-toto.io/Statement/v0.1"}, "_type is"),
        ({**made(), "subject": []}, "subject"),
        ({**made(), "subject": made()["subject"] * 2}, "subject"),
        ({**made(), "predicate": {"resources": []}}, "serialization"),
        ({**made(), "predicate": {**made()["predicate"], "resources": [{"name": "x"}]}}, "resources"),
        (
            {**made(), "predicate": {**made()["predicate"], "resources": [resource("x", "3Z")]}},
            "predicate.resources.0.digest",
        ),
        ([], "_type is None"),
    ],
)
def test_whatever_is_wrong_is_refused_with_its_reason(document: Any, reason: str) -> None:
    with pytest.raises(BadSignature, match=reason):
        stated_digests(json.dumps(document).encode())


def test_a_name_that_is_there_twice_is_refused_as_json_too() -> None:
    twice = json.dumps(made()).replace('"name": "config.json"', '"name": "other.json", "name": "config.json"')
    with pytest.raises(BadSignature, match="a key appears twice"):
        stated_digests(twice.encode())


def test_fields_of_later_versions_are_ignored() -> None:
    document = made(more=1)
    document["predicate"]["model_card"] = {}
    document["later"] = True
    assert stated_digests(json.dumps(document).encode()) == FILES


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=4),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3),
)
mangled = some.fixed_dictionaries(
    {}, optional=dict.fromkeys(("_type", "predicateType", "subject", "predicate"), json_values)
)


@given(some.binary(max_size=64) | mangled.map(lambda parts: json.dumps({**made(), **parts}).encode()))
def test_whatever_comes_is_read_or_refused(payload: bytes) -> None:
    with contextlib.suppress(BadSignature):
        stated_digests(payload)
