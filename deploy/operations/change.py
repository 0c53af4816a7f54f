"""What a plan shows beyond the operation's name: the difference, kept beside the host until somebody prints it."""

from difflib import unified_diff
from typing import Any

from pyinfra import host

_KEY = "casemate.differences"


def differs(path: str, before: str | None, after: str) -> None:
    """Remember how a file would change. `before` is None when there is none, or when it may not be read."""
    lines = unified_diff(
        (before or "").splitlines(), after.splitlines(), f"{path} (on the host)", f"{path} (wanted)", lineterm="", n=2
    )
    _remember("\n".join(lines))


def differs_secretly(path: str) -> None:
    """Remember that a secret file would change, and not how."""
    _remember(f"{path}: differs; the content is secret and not shown")


def _remember(text: str) -> None:
    known: dict[str, list[str]] = host.connector_data.setdefault(_KEY, {})
    seen = known.setdefault(str(host.current_op_hash), [])
    if text not in seen:
        seen.append(text)


def differences(of: Any, operation_hash: str) -> list[str]:
    """What an operation of this host noted, in order."""
    return list(of.connector_data.get(_KEY, {}).get(operation_hash, []))
