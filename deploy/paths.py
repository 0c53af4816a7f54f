"""Where things lie on the operator's machine."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: templates, policies and the service are read from here."""

STATE = ROOT / ".casemate"
"""What this operator must keep: signing key, private CA, API keys, journal. Directories 0700."""


def cache() -> Path:
    """What can be made again (root file systems, wheels, image layers); shared by all checkouts of a user."""
    base = os.environ.get("CASEMATE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "casemate"
    return Path(base).expanduser()
