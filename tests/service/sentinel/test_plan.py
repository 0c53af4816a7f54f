"""What a deploy announced, and what dpkg and the maintainers' scripts do."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from service.sentinel.look import look
from service.sentinel.packages import Packages
from service.sentinel.plan import Plan, PlanError


@pytest.fixture
def dpkg(tmp_path: Path) -> Path:
    """One package: a program, a library in a directory of its own, a settings file, a unit; all of it installed."""
    place = tmp_path / "dpkg"
    (place / "info").mkdir(parents=True)
    for name in ("usr/bin", "usr/lib/tool", "etc/tool", "usr/lib/systemd/system", "etc/systemd/system", "etc/rc2.d"):
        (tmp_path / name).mkdir(parents=True)
    contents = {"usr/bin/tool": b"program", "usr/lib/tool/lib.so": b"library"}
    contents |= {"usr/lib/systemd/system/tool.service": b"[Unit]", "etc/tool/tool.conf": b"settings"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    listed = [f"{tmp_path}/{name}" for name in (*contents, "usr/lib/tool")]
    (place / "info/tool:amd64.list").write_text("\n".join(listed) + "\n")
    sums = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    lines = [f"{sums[name]}  {tmp_path.relative_to('/')}/{name}\n" for name in contents if not name.startswith("etc")]
    (place / "info/tool:amd64.md5sums").write_text("".join(lines))
    conffile = f" {tmp_path}/etc/tool/tool.conf {sums['etc/tool/tool.conf']}"
    other = "Package: other\nConffiles:\n /etc/other 0123\n"
    (place / "status").write_text(f"{other}\nPackage: tool\nStatus: ok\nConffiles:\n{conffile}\nDescription: x\n")
    return place


def _explained(dpkg: Path, path: Path) -> bool:
    at = os.fsencode(path)
    return Packages(["tool"], dpkg).explain(at, None, look(at))


def test_all_that_a_package_brings_is_explained(dpkg: Path, tmp_path: Path) -> None:
    for name in ("usr/bin/tool", "usr/lib/tool", "usr/lib/tool/lib.so", "etc/tool/tool.conf"):
        assert _explained(dpkg, tmp_path / name), name


def test_another_content_or_another_file_is_not(dpkg: Path, tmp_path: Path) -> None:
    for name in ("usr/bin/tool", "etc/tool/tool.conf"):
        (tmp_path / name).write_bytes(b"poisoned")
        assert not _explained(dpkg, tmp_path / name), name
    (tmp_path / "usr/lib/tool/planted.so").write_bytes(b"library")
    assert not _explained(dpkg, tmp_path / "usr/lib/tool/planted.so")
    assert not Packages(["other"], dpkg).explain(os.fsencode(tmp_path / "usr/lib/tool"), None, None)


def test_a_package_that_has_another_as_its_prefix_is_another(dpkg: Path, tmp_path: Path) -> None:
    (dpkg / "info/tool-extra.list").write_text(f"{tmp_path}/usr/bin/extra\n")
    (tmp_path / "usr/bin/extra").symlink_to("tool")
    assert not _explained(dpkg, tmp_path / "usr/bin/extra")


def test_a_new_setuid_bit_or_owner_is_no_work_of_a_package(dpkg: Path, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "usr/bin/tool")
    before = look(path)
    (tmp_path / "usr/bin/tool").chmod(0o4755)
    assert not Packages(["tool"], dpkg).explain(path, before, look(path))
    (tmp_path / "usr/bin/tool").chmod(0o755)
    assert Packages(["tool"], dpkg).explain(path, before, look(path))
    if os.getuid() == 0:
        os.chown(path, 1, 1)
        assert not Packages(["tool"], dpkg).explain(path, before, look(path))


def test_dpkgs_own_names_come_and_go(dpkg: Path, tmp_path: Path) -> None:
    packages = Packages(["tool"], dpkg)
    for end in (".dpkg-new", ".dpkg-tmp", ""):
        assert packages.explain(os.fsencode(tmp_path / f"usr/bin/tool{end}"), None, None)
    assert not packages.explain(os.fsencode(tmp_path / "usr/bin/evil.dpkg-new"), None, None)


def test_lists_that_come_later_are_read(dpkg: Path, tmp_path: Path) -> None:
    packages = Packages(["late"], dpkg)
    (tmp_path / "usr/bin/late").symlink_to("tool")
    path = os.fsencode(tmp_path / "usr/bin/late")
    assert not packages.explain(path, None, look(path))
    (dpkg / "info/late.list").write_text(f"{tmp_path}/usr/bin/late\n")
    assert packages.explain(path, None, look(path))


def test_a_plan_says_what_will_be_there(tmp_path: Path, dpkg: Path) -> None:
    file = tmp_path / "usr/bin/tool"
    path, sha256 = os.fsencode(file), hashlib.sha256(b"program").hexdigest()
    file.chmod(0o755)
    right: list[dict[str, Any]] = [
        {"sha256": sha256},
        {"mode": "0755"},
        {"mode": 0o755},
        {"kind": "file", "uid": os.getuid()},
        {},
    ]
    wrong: list[dict[str, Any]] = [
        {"sha256": "00" * 32},
        {"mode": "0644"},
        {"kind": "directory"},
        {"uid": 99},
        {"removed": True},
    ]
    for said, explained in (*((one, True) for one in right), *((one, False) for one in wrong)):
        assert Plan([{"path": str(file), **said}], dpkg).explains(path, None, look(path)) is explained, said
    gone = Plan([{"path": str(file), "removed": True}], dpkg)
    assert gone.explains(path, look(path), None)
    assert not Plan([{"path": str(file)}], dpkg).explains(path, look(path), None)


def test_a_planned_path_through_a_link_is_the_real_one(tmp_path: Path, dpkg: Path) -> None:
    (tmp_path / "bin").symlink_to("usr/bin")
    path = os.fsencode(tmp_path / "usr/bin/tool")
    assert Plan([{"path": str(tmp_path / "bin/tool")}], dpkg).explains(path, None, look(path))


def test_only_what_comes_and_goes_beside_a_planned_place_is_on_its_way_there(tmp_path: Path, dpkg: Path) -> None:
    plan = Plan([{"path": str(tmp_path / "etc/tool/tool.conf")}], dpkg)
    on_its_way, other = (os.fsencode(tmp_path / f"etc/tool/{name}") for name in (".tool.conf.x1", "evil"))
    assert plan.explains(on_its_way, None, None)
    assert not plan.explains(other, None, None)
    (tmp_path / "etc/tool/.tool.conf.x1").write_text("it stays")
    assert not plan.explains(on_its_way, None, look(on_its_way))


def test_what_comes_and_goes_is_announced_twice(tmp_path: Path, dpkg: Path) -> None:
    file = tmp_path / "usr/bin/tool"
    path, sha256 = os.fsencode(file), hashlib.sha256(b"program").hexdigest()
    plan = Plan([{"path": str(file), "sha256": sha256}, {"path": str(file), "removed": True}], dpkg)
    assert plan.explains(path, None, look(path))
    assert plan.explains(path, look(path), None)
    file.write_bytes(b"another")
    assert not plan.explains(path, None, look(path))
    assert plan.names(path)
    assert not plan.names(os.fsencode(tmp_path / "usr/bin"))


def test_what_lies_in_a_directory_goes_with_it(tmp_path: Path, dpkg: Path) -> None:
    plan = Plan([{"path": str(tmp_path / "usr"), "removed": True}], dpkg)
    path = os.fsencode(tmp_path / "usr/bin/tool")
    assert plan.explains(path, look(path), None)
    assert not plan.explains(path, None, look(path)), "it may go, and not change"
    beside = os.fsencode(tmp_path / "usr-local/tool")
    assert not plan.explains(beside, look(path), None)


def test_a_link_is_announced_with_where_it_leads(tmp_path: Path, dpkg: Path) -> None:
    link = tmp_path / "etc/wanted"
    link.symlink_to("/lib/systemd/system/nginx.service")
    path = os.fsencode(link)
    for target, explained in (("/lib/systemd/system/nginx.service", True), ("/tmp/evil.service", False)):
        plan = Plan([{"path": str(link), "kind": "link", "target": target}], dpkg)
        assert plan.explains(path, None, look(path)) is explained


@pytest.mark.parametrize("item", [{"pth": "/x"}, {"mode": "0644"}, {"path": "/x", "sha": "1"}])
def test_a_plan_that_is_not_understood_is_refused(item: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(PlanError):
        Plan([item], tmp_path)
