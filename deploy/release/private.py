"""Directories that only their owner may enter."""

from pathlib import Path


def make_private(directory: Path) -> None:
    """Make a directory 0700, and the missing ones above it too, which `mkdir(parents=True)` would leave open to all."""
    for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
