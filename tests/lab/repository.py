"""A small apt repository on a lab host, signed, with packages of the names that Docker's own have."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.host import LabHost
from tests.lab.yard import says

PORT = 9011
_SCRIPT = (Path(__file__).parent / "repository.sh").read_text()
_OWNER, _STRANGER = "docker@example.org", "mallory@example.org"
_GPG = f"GNUPGHOME=/srv/casemate-test/gnupg gpg --batch {{}} {_OWNER}"


@dataclass
class FakeRepository:
    """`build` serves it on the host's loopback and leaves its public key in `key` on the operator's machine."""

    host: LabHost
    key: Path
    fingerprint: str = ""
    url: str = f"http://127.0.0.1:{PORT}/linux"

    def build(self) -> None:
        """Make, sign and serve it."""
        self._script("build", str(PORT))
        self._script("sign", _OWNER)
        self.key.write_text(says(self.host, _GPG.format("--armor --export")))
        listed = says(self.host, _GPG.format("--with-colons --list-keys"))
        self.fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def sign_with_another_key(self) -> None:
        """As somebody who took the mirror over, and has not the key."""
        self._script("sign", _STRANGER)

    def _script(self, *words: str) -> None:
        self.host.run(f"sh -s {shlex.join(words)} <<'CASEMATE'\n{_SCRIPT}CASEMATE")

    def data(self) -> list[str]:
        """The settings that name it."""
        wishes = {"source": "docker", "mirror": self.url, "key_file": self.key, "key_fingerprint": self.fingerprint}
        return [word for key, value in wishes.items() for word in ("--data", f"docker.{key}={value}")]
