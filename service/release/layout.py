"""Where a release lies on the host."""

from dataclasses import dataclass
from pathlib import Path

COMPONENTS = ("vision", "gate")


@dataclass(frozen=True)
class Layout:
    """All places, below one root: `/` on a host, a temporary directory in a test."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        return self.root / "var/lib/casemate"

    @property
    def incoming(self) -> Path:
        """Transfers that are not whole yet (`<sha256>.part`), and releases that are not accepted yet."""
        return self.home / "incoming"

    @property
    def blobs(self) -> Path:
        """Whole files by their SHA-256: layers until the engine has them, model files while a model needs them."""
        return self.home / "blobs"

    @property
    def models(self) -> Path:
        """One directory a model, `<name>-<12 hex of its file list>`, of hard links into `blobs`."""
        return self.home / "models"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def maintenance(self) -> Path:
        """A file named after a component shuts its door; the sentinel puts it here."""
        return self.home / "maintenance"

    @property
    def verified(self) -> Path:
        return self.home / "verified.json"

    @property
    def signers(self) -> Path:
        return self.root / "etc/casemate/release/allowed_signers"

    @property
    def revoked(self) -> Path:
        """An OpenSSH key revocation list; there may be none."""
        return self.root / "etc/casemate/release/revoked"

    @property
    def docker(self) -> Path:
        return self.root / "var/run/docker.sock"

    def sockets(self, component: str) -> Path:
        """`<release>/<component>.sock` in here for each container, and `current`, where the door leads."""
        return self.root / "run/casemate" / component

    def on_host(self, path: str) -> Path:
        """A path of the signed configuration, below the root."""
        return self.root / path.lstrip("/")
