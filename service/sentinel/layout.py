"""Where everything of the sentinel lies on the host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """All places, below one root: `/` on a host, a temporary directory in a test."""

    root: Path = Path("/")

    @property
    def configuration(self) -> Path:
        return self.root / "etc/casemate/sentinel/sentinel.json"

    @property
    def state(self) -> Path:
        """0700 root."""
        return self.root / "var/lib/casemate/sentinel"

    @property
    def database(self) -> Path:
        """What has been alerted."""
        return self.state / "state.db"

    @property
    def quarantine(self) -> Path:
        return self.state / "quarantine"

    @property
    def log(self) -> Path:
        return self.root / "var/log/casemate/sentinel/alerts.jsonl"

    @property
    def runtime(self) -> Path:
        """0750, for Nginx's group."""
        return self.root / "run/casemate/sentinel"

    @property
    def control(self) -> Path:
        return self.runtime / "control.sock"

    @property
    def signers(self) -> Path:
        return self.root / "etc/casemate/release/allowed_signers"

    @property
    def revoked(self) -> Path:
        """An OpenSSH key revocation list; there may be none."""
        return self.root / "etc/casemate/release/revoked"

    @property
    def host_keys(self) -> Path:
        return self.root / "etc/ssh"

    @property
    def packages(self) -> Path:
        """What dpkg knows of installed packages."""
        return self.root / "var/lib/dpkg"

    @property
    def docker(self) -> Path:
        return self.root / "var/run/docker.sock"

    @property
    def metrics(self) -> Path:
        return self.runtime / "metrics.prom"

    @property
    def own(self) -> tuple[str, ...]:
        """Patterns of what the sentinel itself writes all the time; the baseline is looked after otherwise."""
        places = (f"{self.database}*", f"{self.state}/*.new", f"{self.state}/next.*", f"{self.state}/baseline.*")
        more = (f"{self.state}/previous.*", f"{self.quarantine}/*", f"{self.state}/outlets*", f"{self.log}*")
        return (*places, *more, f"{self.runtime}/*")
