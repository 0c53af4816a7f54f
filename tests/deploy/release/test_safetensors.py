"""Headers of safetensors files: the good ones pass, no other does, and none does more than be refused."""

import contextlib
import importlib.util
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deploy.release.safetensors import BadHeader, tensors

GOOD: dict[str, Any] = {
    "__metadata__": {"format": "pt"},
    "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [4, 16]},
    "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
    "empty": {"dtype": "F32", "shape": [0, 5], "data_offsets": [16, 16]},
}


def read(content: bytes) -> frozenset[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(content)
        return tensors(path)


def file(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def changed(name: str, **entry: Any) -> bytes:
    return file(json.dumps({**GOOD, name: {**GOOD.get(name, {}), **entry}}).encode(), bytes(16))


def test_a_good_file_names_its_tensors() -> None:
    assert read(file(json.dumps(GOOD).encode(), bytes(16))) == {"a", "b", "empty"}


@pytest.mark.skipif(importlib.util.find_spec("safetensors") is None, reason="the library is not installed")
def test_what_the_library_writes_is_good() -> None:
    import numpy
    from safetensors.numpy import save

    assert read(save({"a": numpy.zeros((3, 4), "float32"), "b": numpy.ones(7, "int8")})) == {"a", "b"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "got a header of 0 bytes"),
        (b"\x00" * 8, "got a header of 0 bytes"),
        ((1 << 63).to_bytes(8, "little") + b"{}", "got a header of"),
        (file(b"\x80\x04pickle"), "not JSON"),
        (file(b"[" * 5000), "not JSON"),
        (file(b"[1, 2]"), "not a JSON object"),
        (file(b'{"a": {}, "a": {}}'), "appears twice"),
        (file(b'{"a": 7}'), "lacks dtype"),
        (changed("a", dtype="PICKLE"), "unknown type"),
        (changed("a", shape=[-1]), "unknown type or shape"),
        (changed("a", shape="four"), "unknown type or shape"),
        (changed("a", shape=[2]), "its shape says otherwise"),
        (changed("b", data_offsets=[0, 12]), "expected 4"),
        (changed("b", data_offsets=[5, 17]), "expected 4"),
        (file(json.dumps(GOOD).encode(), bytes(17)), "tensors end at 16, expected 17"),
        (file(json.dumps(GOOD).encode(), bytes(15)), "tensors end at 16, expected 15"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadHeader, match=reason):
        read(content)


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=4),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3),
)
entries = some.fixed_dictionaries(
    {
        "dtype": some.sampled_from(["F32", "U8"]) | json_values,
        "shape": json_values,
        "data_offsets": some.lists(some.integers(0, 9), min_size=2, max_size=2) | json_values,
    }
)


@given(
    some.binary(max_size=64)
    | some.dictionaries(some.text(max_size=3), json_values | entries).map(lambda v: file(json.dumps(v).encode()))
)
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(BadHeader):
        read(content)
