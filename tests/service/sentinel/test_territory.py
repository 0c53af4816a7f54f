"""Which set a path belongs to."""

from __future__ import annotations

import os
from pathlib import Path

from service.sentinel.configuration import WatchSet
from service.sentinel.territory import Territory, expanded, patterns


def _sets(*roots: str, exclude: tuple[str, ...] = ()) -> list[WatchSet]:
    return [WatchSet("one", "high", roots, exclude)]


def test_the_innermost_root_has_the_path() -> None:
    outer, inner = WatchSet("outer", "low", ("/etc",)), WatchSet("inner", "critical", ("/etc/ssh",))
    territory = Territory(expanded([outer, inner]))
    for path, name in ((b"/etc", "outer"), (b"/etc/x/y", "outer"), (b"/etc/ssh", "inner"), (b"/etc/ssh/a/b", "inner")):
        found = territory.of(path)
        assert found
        assert found.set == name
    for path in (b"/", b"/etcetera", b"/et", b"/usr/etc"):
        assert territory.of(path) is None


def test_everything_below_the_top_is_in_a_root_that_is_the_top() -> None:
    assert Territory(expanded(_sets("/"))).of(b"/x/y")


def test_what_is_excluded_belongs_to_none_but_a_root_inside_it() -> None:
    excluding = WatchSet("outer", "low", ("/srv",), ("/srv/cache/*", "*.pyc"))
    territory = Territory(expanded([excluding, WatchSet("inner", "low", ("/srv/cache/kept",))]))
    assert territory.of(b"/srv/cache/x/y") is None
    assert territory.of(b"/srv/a.pyc") is None
    assert territory.of(b"/srv/\xff\n.pyc") is None
    assert territory.of(b"/srv/cache")
    assert territory.of(b"/srv/cache/kept/x")


def test_patterns_match_what_is_there_and_plain_paths_what_may_come(tmp_path: Path) -> None:
    (tmp_path / "a/.ssh").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    found = expanded(_sets(f"{tmp_path}/*/.ssh", f"{tmp_path}/nothing"))
    assert {one.root for one in found} == {os.fsencode(tmp_path / "a/.ssh"), os.fsencode(tmp_path / "nothing")}


def test_a_root_is_where_it_really_lies_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "usr/lib/current").symlink_to("v1")
    found = expanded(_sets(f"{tmp_path}/lib/systemd", f"{tmp_path}/lib/current"))
    assert [one.root for one in found] == [os.fsencode(tmp_path / f"usr/lib/{name}") for name in ("systemd", "current")]


def test_no_pattern_excludes_nothing() -> None:
    assert patterns(()) is None
