"""The layer cache: used when whole, made again when not."""

import io
import os
import time
from pathlib import Path

import pytest

from deploy.release.layer import Layer, cached_paths, folder, packed_layer
from deploy.release.packing import Member


class Maker:
    """Counts how often it was asked."""

    def __init__(self, content: bytes = b"code") -> None:
        self.asked = 0
        self.content = content

    def __call__(self) -> list[Member]:
        self.asked += 1
        return [Member("app.py", 0o644, len(self.content), lambda: io.BytesIO(self.content))]


def layer(make: Maker, inputs: str = "inputs") -> Layer:
    return packed_layer("code", inputs, make)


def test_equal_inputs_are_packed_once() -> None:
    make = Maker()
    assert layer(make) == layer(make)
    assert make.asked == 1


def test_other_inputs_are_packed_anew() -> None:
    make = Maker()
    assert layer(make, "a").path != layer(make, "b").path
    assert make.asked == 2


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b"other"), Path.unlink, lambda path: os.truncate(path, 7)]
)
def test_a_damaged_layer_is_made_again(damage: object) -> None:
    make = Maker()
    first = layer(make)
    damage(first.path)  # type: ignore[operator]
    assert layer(make) == first
    assert make.asked == 2


def test_a_forged_time_does_not_hide_a_change() -> None:
    make = Maker()
    first = layer(make)
    before = first.path.stat()
    content = bytearray(first.path.read_bytes())
    content[600] ^= 1
    first.path.write_bytes(content)
    os.utime(first.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    layer(make)
    assert make.asked == 2


def test_a_packing_that_fails_leaves_nothing() -> None:
    def fails() -> list[Member]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        packed_layer("code", "inputs", fails)
    assert list(folder().iterdir()) == []


def test_layers_that_no_build_used_for_a_month_are_forgotten() -> None:
    old, used = layer(Maker(), "old"), layer(Maker(b"used"), "used")
    month_ago = time.time() - 31 * 86400
    for one in (old, used):
        os.utime(one.path.with_suffix(".json"), (month_ago, month_ago))
    layer(Maker(b"used"), "used")
    new = layer(Maker(b"new"), "new")
    assert cached_paths() == {used.diff_id: used.path, new.diff_id: new.path}
    assert not old.path.exists()
