"""System users, by systemd-sysusers."""

import shlex
from collections.abc import Mapping

from pyinfra import host

from deploy.errors import CasemateError
from deploy.facts.observed import observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import expects

_FILES = ("passwd", "group", "shadow", "gshadow")


@convergence
def system_users(path: str, users: Mapping[str, int]) -> Commands:
    """The users (name: user and group id) that the sysusers.d file `path` describes exist, with these ids.

    Raises CasemateError for a user who has another id: sysusers leaves such a one alone, and files would be another's.
    """
    seen = observed(host)
    known, groups = seen.required("users"), seen.required("groups")
    for name, uid in users.items():
        found = {known[name]["uid"] if name in known else uid, groups[name]["gid"] if name in groups else uid}
        if found != {uid}:
            raise CasemateError(
                f"{host.name}: {name} has the id {' and '.join(map(str, sorted(found - {uid})))}, expected {uid}",
                next=f"on the host: userdel {name}, or set its uid in the group data",
            )
    missing = [name for name in users if name not in known]
    if not missing:
        host.noop(f"{', '.join(users)} exist")
        return
    # Free in their content, which holds more than these users: a deploy that makes users is one to look at.
    expects(*({"path": f"/etc/{name}", "kind": "file", "uid": 0} for name in _FILES))
    differs("users", None, "".join(f"{name} {users[name]}\n" for name in missing))
    yield f"systemd-sysusers {shlex.quote(path)}"
