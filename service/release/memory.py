"""How much memory the host has left."""

from service.release.errors import ReleaseError
from service.release.layout import Layout


def available(layout: Layout) -> int:
    """Bytes that a new process can have without swapping (MemAvailable)."""
    for line in (layout.root / "proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise ReleaseError("/proc/meminfo names no MemAvailable")
