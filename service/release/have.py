"""What the host has already, so that only the rest travels."""

from typing import Any

from service.release import state
from service.release.engine import Engine
from service.release.layout import Layout


def have(layout: Layout, engine: Engine) -> dict[str, Any]:
    """`images`: id and diff ids of each. `blobs`: whole files. `partial`: bytes of cut transfers. `accepted`: releases.

    A blob's content is believed here and hashed by `accept`; a wrong one costs a second transfer, never trust.
    """
    return {
        "images": [{"id": image["Id"], "layers": image["RootFS"].get("Layers") or []} for image in engine.images()],
        "blobs": sorted(path.name for path in layout.blobs.glob("[0-9a-f]*")),
        "partial": {path.stem: path.stat().st_size for path in sorted(layout.incoming.glob("*.part"))},
        "accepted": [record.release for record in state.read(layout).releases],
    }
