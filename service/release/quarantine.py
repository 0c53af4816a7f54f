"""A component that is held: the sentinel's quarantine, or maintenance by hand. Then nothing of it is started or ended.

Starting would open what was shut, and removing a container would take the evidence in it.
"""

from service.release.errors import ReleaseError
from service.release.layout import Layout


def refuse_held(layout: Layout, component: str) -> None:
    """Raises ReleaseError while the component is held."""
    path = layout.maintenance / component
    try:
        held = path.read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        return
    raise ReleaseError(
        f"{component} is in quarantine ({' '.join(held) or 'by hand'}: {path}), and nothing of it is started or ended;"
        " next: casemate quarantine list INVENTORY"
    )
