"""`casemate-release`: the host's side of a release. Results on standard output as JSON, progress on standard error."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.release.accept import accept
from service.release.detached import run_detached
from service.release.engine import Engine
from service.release.errors import ReleaseError
from service.release.handover import handover
from service.release.have import have
from service.release.layout import COMPONENTS, Layout
from service.release.prune import prune
from service.release.receive import receive
from service.release.start import start_live, stop_all
from service.release.status import status


def main() -> None:
    """Exit 0 when done, 1 with one sentence when not, 2 for a wrong call, 3 when something must be sent again."""
    arguments = _parser().parse_args()
    layout = Layout()
    try:
        result = _VERBS[arguments.verb](arguments, layout, Engine(layout.docker))
    except ReleaseError as error:
        print(f"casemate-release: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if result is not None:
        print(json.dumps(result, sort_keys=True))


def _say(sentence: str) -> None:
    try:
        print(sentence, file=sys.stderr, flush=True)
    except BrokenPipeError:
        # The connection that wanted to know is gone; the work is not.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _handover(arguments: argparse.Namespace, layout: Layout, engine: Engine) -> None:
    if arguments.here:
        handover(layout, engine, arguments.component, arguments.release, _say)
    else:
        run_detached(layout, arguments.component, arguments.release, _say)


def _accept(arguments: argparse.Namespace, layout: Layout, engine: Engine) -> dict[str, Any]:
    manifest = accept(layout, engine, arguments.directory, rollback=arguments.rollback)
    return {"release": manifest.release, "sequence": manifest.sequence}


_VERBS: dict[str, Callable[[argparse.Namespace, Layout, Engine], Any]] = {
    "have": lambda _, layout, engine: have(layout, engine),
    "receive": lambda asked, layout, _: receive(layout, asked.digest, asked.size, asked.offset, sys.stdin.buffer),
    "accept": _accept,
    "handover": _handover,
    "start": lambda asked, layout, engine: start_live(layout, engine, asked.component),
    "stop": lambda asked, layout, engine: stop_all(layout, engine, asked.component),
    "status": lambda _, layout, engine: status(layout, engine),
    "prune": lambda asked, layout, engine: prune(layout, engine, asked.keep),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("casemate-release", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("have", help="which layers, files and cut transfers are here (JSON)")
    received = verbs.add_parser("receive", help="append standard input to a cut or new transfer")
    received.add_argument("digest", help="SHA-256 of the whole file, 64 hex digits")
    received.add_argument("--size", type=int, required=True, help="bytes of the whole file")
    received.add_argument("--offset", type=int, default=0, help="bytes that are here already, as `have` says")
    accepted = verbs.add_parser("accept", help="verify a release that has arrived, and load its image")
    accepted.add_argument("directory", type=Path, help="holds manifest.json and manifest.json.sig")
    accepted.add_argument("--rollback", action="store_true", help="accept one that is older than the newest accepted")
    handed = verbs.add_parser("handover", help="put an accepted release into service")
    handed.add_argument("component", choices=COMPONENTS)
    handed.add_argument("release")
    handed.add_argument("--here", action="store_true", help="in this process, which ends with the connection")
    for verb, help in (("start", "verify the live release and run it"), ("stop", "end its containers")):
        verbs.add_parser(verb, help=help).add_argument("component", choices=COMPONENTS)
    verbs.add_parser("status", help="what serves (JSON)")
    pruned = verbs.add_parser("prune", help="remove earlier releases")
    pruned.add_argument("--keep", type=int, required=True, help="earlier releases that stay")
    return parser


if __name__ == "__main__":
    main()
