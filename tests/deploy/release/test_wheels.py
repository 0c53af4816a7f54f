"""Wheels as image files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.release.wheels import unpacked

Wheel = Callable[..., Path]
SITE = "opt/casemate/site-packages"


def test_files_lie_where_the_wheel_says(wheel: Wheel) -> None:
    path = wheel("tiny", {"tiny/run": b"#!", "tiny/__init__.py": b"x = 1\n"}, executable=("tiny/run",))
    members = {member.path: member for member in unpacked([path])}
    assert members[f"{SITE}/tiny/run"].mode == 0o755
    assert members[f"{SITE}/tiny/__init__.py"].mode == 0o644
    with members[f"{SITE}/tiny/__init__.py"].open() as content:
        assert content.read() == b"x = 1\n"
    assert f"{SITE}/tiny-1.0.dist-info/METADATA" in members


def test_byte_code_is_left_out(wheel: Wheel) -> None:
    path = wheel("tiny", {"tiny.py": b"", "__pycache__/tiny.cpython-311.pyc": b"evil", "tiny.pyc": b"evil"})
    assert [member.path for member in unpacked([path]) if "dist-info" not in member.path] == [f"{SITE}/tiny.py"]


def test_libraries_of_the_data_directory_lie_beside_the_rest(wheel: Wheel) -> None:
    files = {
        "tiny-1.0.data/platlib/fast.so": b"",
        "tiny-1.0.data/purelib/slow.py": b"",
        "tiny-1.0.data/scripts/run": b"",
    }
    found = {member.path for member in unpacked([wheel("tiny", files)])}
    assert {f"{SITE}/fast.so", f"{SITE}/slow.py", f"{SITE}/tiny-1.0.data/scripts/run"} <= found


@pytest.mark.parametrize(
    "place", ["../outside.py", "/etc/passwd", "a/../../b.py", "a\\..\\b.py", "x.data/purelib//etc/x"]
)
def test_a_wheel_may_not_write_outside(wheel: Wheel, place: str) -> None:
    with pytest.raises(CasemateError, match="outside its directory"):
        unpacked([wheel("tiny", {place: b""})])


def test_two_wheels_may_share_a_file_only_if_it_is_the_same(wheel: Wheel) -> None:
    one, same = wheel("one", {"nvidia/__init__.py": b""}), wheel("same", {"nvidia/__init__.py": b""})
    assert len([member for member in unpacked([one, same]) if "dist-info" not in member.path]) == 1
    with pytest.raises(CasemateError, match="both bring"):
        unpacked([one, wheel("other", {"nvidia/__init__.py": b"other"})])
