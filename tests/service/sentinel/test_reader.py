"""From the source to what is dirty."""

from __future__ import annotations

import os
import time
from pathlib import Path

from service.sentinel.dirty import Dirty
from service.sentinel.inotify import Inotify
from service.sentinel.reader import Reader
from service.sentinel.territory import Territory, Watched


def test_what_is_told_is_dirty_and_it_ends_at_once(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    source, dirty, territory = Inotify(), Dirty(0.0), Territory([Watched(root, "x", "high", "alert", "x")])
    source.watch(root)
    reader = Reader(source, dirty, lambda: territory, lambda _: None, lambda _: None, None)
    reader.start()
    (tmp_path / "file").touch()
    (dirt,), _ = dirty.take(1, 10)
    assert (dirt.path, dirt.appeared) == (root + b"/file", True)
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 5
    source.close()
