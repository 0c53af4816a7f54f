"""Where descriptors lie."""

from service.sentinel.tree import Tree


def test_what_hangs_from_a_directory_moves_with_it() -> None:
    tree = Tree()
    tree.put(1, 0, b"/root")
    tree.put(2, 1, b"a")
    tree.put(3, 2, b"b")
    assert tree.paths(3) == (b"/root/a/b",)
    assert not tree.has(2, 1, b"z")
    tree.put(2, 1, b"z")
    assert tree.drop(2, b"/root/a") is False
    assert tree.paths(3) == (b"/root/z/b",)
    assert tree.drop(2, b"/root/z") is True
    assert tree.paths(3) == ()
    assert tree.lost() == [3]


def test_a_directory_seen_at_two_paths_gives_both_to_what_hangs_from_it() -> None:
    tree = Tree()
    tree.put(1, 0, b"/")
    tree.put(2, 1, b"a")
    tree.put(2, 0, b"/a/b/../other")
    tree.put(3, 2, b"file")
    assert tree.paths(3) == (b"/a/b/../other/file", b"/a/file")
    assert tree.untop(2, b"/a/b/../other") is False
    assert tree.paths(3) == (b"/a/file",)
    assert tree.lost() == []


def test_a_directory_mounted_into_itself_has_no_endless_paths() -> None:
    tree = Tree()
    tree.put(1, 0, b"/root")
    tree.put(2, 1, b"a")
    tree.put(1, 2, b"loop")
    assert tree.paths(2) == (b"/root/a",)


def test_ten_thousand_levels_need_no_recursion() -> None:
    tree = Tree()
    tree.put(1, 0, b"/root")
    for wd in range(2, 8000):
        tree.put(wd, wd - 1, b"n")
    assert tree.paths(7999) == (b"/root" + b"/n" * 7998,)
    tree.remove(1)
    assert len(tree.lost()) == 7998
