"""Which names lead to a path."""

import os
from pathlib import Path

from service.sentinel.way import Way


def names(way: Way, base: Path) -> list[tuple[str, bool]]:
    """Relative to `base`: each directory and name that is looked up in it, and whether that is the last."""
    inside = [(os.fsdecode(os.path.join(directory, name)), last) for directory, name, last in way.steps]
    return [(path[len(str(base)) + 1 :], last) for path, last in inside if path.startswith(f"{base}/")]


def test_links_on_the_way_are_followed_and_the_last_name_is_not(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/back").symlink_to("../real/./deep")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    way = Way(os.fsencode(tmp_path / "link/back"))
    assert way.real == os.fsencode(tmp_path / "real/back")
    assert names(way, tmp_path) == [("link", False), ("real", False), ("real/back", True)]
    deeper = Way(os.fsencode(tmp_path / "link/back/file"))
    assert deeper.real == os.fsencode(tmp_path / "real/deep/file")
    assert names(deeper, tmp_path)[-1] == ("real/deep/file", True)
    assert (way.exists, deeper.exists) == (True, False)


def test_it_ends_where_nothing_is_or_a_file_or_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    for name in ("nothing", "file", "circle"):
        way = Way(os.fsencode(tmp_path / name / "below" / "more"))
        assert not way.exists
        assert names(way, tmp_path)[0] == (name, False)
    assert Way(os.fsencode(tmp_path / "circle")).exists
    assert Way(b"/").exists


def test_each_name_is_handed_out_before_it_is_looked_up(tmp_path: Path) -> None:
    def made(directory: bytes, name: bytes, last: bool) -> None:
        if directory.startswith(os.fsencode(tmp_path)):
            os.mkdir(os.path.join(directory, name))

    assert Way(os.fsencode(tmp_path / "a/b/c"), made).exists
