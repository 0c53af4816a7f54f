"""`casemate-sentinel`: the daemon (`run`), and what it can be asked."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.sentinel.configuration import ConfigurationError
from service.sentinel.control import ControlError, ask
from service.sentinel.daemon import Daemon
from service.sentinel.layout import Layout

_ASKED = {
    "status": (),
    "sweep": (),
    "window open": ("document", "signature"),
    "window close": ("run",),
    "baseline show": (),
    "baseline diff": (),
    "baseline accept": ("reason", "by"),
    "baseline sign": ("signature",),
    "baseline export": (),
    "quarantine list": (),
    "quarantine release": ("id", "by", "reason"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0: done; 1: not, with one sentence; 2: usage. A request's fields are a JSON object on standard input."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    layout, verb = Layout(arguments.root), " ".join(arguments.verb)
    if verb != "run" and verb not in _ASKED:
        parser.error(f"got {verb}, expected run or one of: {', '.join(_ASKED)}")
    try:
        if verb == "run":
            return Daemon(layout).run()
        answer = ask(layout.control, {**_given(verb), "do": verb})
    except (ConfigurationError, ControlError, OSError, ValueError) as error:
        print(f"casemate-sentinel: {error}", file=sys.stderr)
        return 1
    if verb == "baseline export":
        sys.stdout.buffer.write(base64.b64decode(answer["content"]))
    else:
        print(json.dumps(answer, sort_keys=True))
    return 0


def _given(verb: str) -> dict[str, Any]:
    """Raises ValueError."""
    wanted = _ASKED[verb]
    if not wanted and sys.stdin.isatty():
        return {}
    text = sys.stdin.read()
    found = json.loads(text) if text.strip() else {}
    if not isinstance(found, dict) or not found.keys() >= set(wanted):
        raise ValueError(f"{verb} needs a JSON object with {', '.join(wanted)} on standard input, got {text[:80]!r}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="casemate-sentinel", description="The file-integrity monitor.")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the host's files lie (for tests)")
    parser.add_argument("verb", nargs="+", metavar="verb", help=f"run, or one of: {', '.join(_ASKED)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
