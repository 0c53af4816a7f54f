"""Files and directories of the host, compared by hash, mode and owner.

A file is never seen half written or with too wide a mode: it comes by standard input (so that nothing of it is in an
argv), into a 0600 file in a 0700 directory, is checked there, and is then renamed into place. That directory lies in
the outermost one (/etc for /etc/docker/daemon.json): the sentinel does not watch there, and whoever reads a directory
of drop-ins never meets it.
"""

import base64
import hashlib
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath

from pyinfra import host
from pyinfra.api import StringCommand

from deploy.facts.observed import observed
from deploy.operations.change import differs, differs_secretly
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import directory_item, expects, file_item, removed


@convergence
def file(
    path: str,
    content: str | bytes,
    mode: str = "0644",
    owner: str = "root",
    group: str = "root",
    secret: bool = False,
    check: str | None = None,
) -> Commands:
    """A regular file with this content, mode (octal digits) and owner.

    `check` is a shell command that must succeed before the file goes into place; `{}` in it is the new file's path.
    When it fails, the old file stays. `secret` keeps the content out of every diff.
    """
    data = content.encode() if isinstance(content, str) else content
    found = observed(host).file(path)
    wanted = {"sha256": hashlib.sha256(data).hexdigest(), "mode": mode, "owner": owner, "group": group}
    if found and not found.get("target") and all(found[key] == value for key, value in wanted.items()):
        host.noop(f"{path} is as wanted")
        return
    expects(file_item(path, wanted["sha256"], mode, owner, group))
    if secret:
        differs_secretly(path)
    elif found and found["sha256"] == wanted["sha256"]:
        differs(path, _attributes(found), _attributes(wanted))
    elif isinstance(content, str):
        differs(path, found.get("content") if found else None, content)
    else:
        differs(path, f"sha256 {found['sha256']}" if found else None, f"sha256 {wanted['sha256']}")
    yield StringCommand(_put(path, mode, owner, group, check), _stdin=[_sent(data)])


def _attributes(found: Mapping[str, object]) -> str:
    return f"mode {found['mode']} owner {found['owner']} group {found['group']}\n"


def _sent(data: bytes) -> str:
    """Its digest first: a cut connection looks like the end of standard input, and base64 cut by lines is base64."""
    return f"{hashlib.sha256(data).hexdigest()}\n{base64.encodebytes(data).decode()}"


def _put(path: str, mode: str, owner: str, group: str, check: str | None) -> str:
    parent, target = shlex.quote(str(PurePosixPath(path).parent)), shlex.quote(path)
    steps = [
        f"mkdir -p {parent}",
        *_aside(path, parent),
        f'n="$d/"{shlex.quote(PurePosixPath(path).name)}',
        "IFS= read -r digest",
        'base64 -d >"$n"',
        '[ "$(sha256sum <"$n")" = "$digest  -" ] || { echo "the content came incomplete" >&2; exit 1; }',
        f'chown {shlex.quote(owner)}:{shlex.quote(group)} "$n"',
        f'chmod {shlex.quote(mode)} "$n"',
        *([check.replace("{}", '"$n"')] if check else []),
        f'sync "$n"; mv -fT "$n" {target}',
    ]
    return f"set -e; {'; '.join(steps)}"


def _aside(path: str, parent: str) -> list[str]:
    """Make `$d`, a directory from which a rename leads to `path`; `parent` is its own, quoted."""
    outermost = shlex.quote(f"/{PurePosixPath(path).parts[1]}")
    return [
        f't={outermost}; [ -d $t ] && [ "$(stat -c %d $t)" = "$(stat -c %d {parent})" ] || t={parent}',
        "umask 077",
        'd=$(mktemp -d "$t"/.casemate.XXXXXXXX)',
        "trap 'rm -rf \"$d\"' EXIT",
    ]


@convergence
def directory(path: str, mode: str = "0755", owner: str = "root", group: str = "root") -> Commands:
    """A directory with this mode (octal digits) and owner; its parents are made 0755 root when absent."""
    found = observed(host).directory(path)
    wanted = {"mode": mode, "owner": owner, "group": group}
    if found and all(found[key] == value for key, value in wanted.items()):
        host.noop(f"{path} is as wanted")
        return
    expects(directory_item(path, mode, owner, group))
    differs(path, _attributes(found) if found else None, _attributes(wanted))
    yield _make(path, mode, owner, group)


def _make(path: str, mode: str, owner: str, group: str) -> str:
    """One that is new appears as it is to be; nobody sees it with another mode, or enters it meanwhile."""
    quoted, parent = shlex.quote(path), shlex.quote(str(PurePosixPath(path).parent))
    right = f"chown -h {shlex.quote(owner)}:{shlex.quote(group)} {{0}} && chmod {mode} {{0}}"
    fresh = [
        f"mkdir -p {parent}",
        *_aside(path, parent),
        'mkdir "$d/new"',
        right.format('"$d/new"'),
        f'mv -T "$d/new" {quoted}',
    ]
    return f"set -e; if [ -d {quoted} ]; then {right.format(quoted)}; else {'; '.join(fresh)}; fi"


@convergence
def absent(path: str) -> Commands:
    """No file of this name."""
    if observed(host).file(path) is None:
        host.noop(f"{path} is absent")
        return
    expects(removed(path))
    differs(path, "present\n", "absent\n")
    yield f"rm -f {shlex.quote(path)}"
