"""What a host looks like: one snapshot, kept until somebody changes the host.

pyinfra asks the host again for every fact. Here one program gathers everything in one round trip, and every operation
of a run reads the same snapshot; an operation that executed a command calls `forget`, and the next reader looks again.
"""

import time
from dataclasses import dataclass
from typing import Any, cast

from deploy.errors import CasemateError
from deploy.facts.told import told

_KEY = "casemate.snapshot"


@dataclass(frozen=True)
class Observed:
    """One snapshot. A section that could not be read is None, and `why(section)` says why.

    `taken` is the operator's clock half way through the round trip, seconds since the epoch.
    """

    data: dict[str, Any]
    taken: float

    def section(self, name: str) -> Any:
        """The section's data; None when it could not be read."""
        return self.data.get(name)

    def why(self, name: str) -> str:
        """Why a section is None."""
        return str(self.data.get("errors", {}).get(name, "the snapshot has no such section"))

    def required(self, name: str) -> dict[str, Any]:
        """The section's data; raises CasemateError when it could not be read: unknown is never taken for absent."""
        found = self.section(name)
        if found is None:
            raise CasemateError(
                f"{name} could not be read on the host: {self.why(name)}",
                next="repair that, then the same command again",
            )
        return cast(dict[str, Any], found)

    def file(self, path: str) -> dict[str, Any] | None:
        """{sha256, mode, owner, group, size, ctime, content, target} of a regular file or link; None when absent."""
        return self.required("files").get(path)

    def directory(self, path: str) -> dict[str, Any] | None:
        """{mode, owner, group}; None when absent."""
        return self.required("directories").get(path)

    def unit(self, name: str) -> dict[str, Any] | None:
        """{load, active, sub, enabled, needs_reload, main_pid, changed, fragment, drop_ins}; None when absent."""
        found = self.required("units").get(name)
        return found if found and found["load"] not in ("not-found", "") else None

    def package(self, name: str) -> str | None:
        """Installed version; None when absent."""
        return self.required("packages").get(name)


def observed(host: Any) -> Observed:
    """The host's snapshot: taken now, or since the last change. Raises CasemateError when the host cannot be read."""
    seen = known(host)
    if seen is None:
        seen = host.connector_data[_KEY] = _observe(host)
    return seen


def known(host: Any) -> Observed | None:
    """The host's snapshot if nothing has changed it since it was taken; asks nobody."""
    return cast(Observed | None, host.connector_data.get(_KEY))


def forget(host: Any) -> None:
    """Somebody changed the host: look again at the next question."""
    host.connector_data.pop(_KEY, None)


def _observe(host: Any) -> Observed:
    asked = time.time()
    data = told(host, "deploy.facts.posture.snapshot")
    return Observed(data, (asked + time.time()) / 2)
