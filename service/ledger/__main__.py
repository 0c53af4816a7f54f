"""`casemate-ledger begin|append|verify|tail LOG` and `retain PLACE`: the ledger for shells, units and the deploy."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from service.ledger.chain import LedgerError
from service.ledger.head import begin, first_key, read_key
from service.ledger.log import Ledger
from service.ledger.retention import crowded, remove, seal
from service.ledger.tail import last
from service.ledger.verification import verify

_FILES_A_LINE = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0: done, or nothing wrong; 1: findings, or no line could be added; 2: usage."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (LedgerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _append(arguments: argparse.Namespace) -> int:
    try:
        fields = json.load(sys.stdin)
    except ValueError as error:
        print(f'stdin is no JSON: {error}; next: give one object, such as {{"event": "deploy"}}', file=sys.stderr)
        return 2
    if not isinstance(fields, dict):
        print(f"stdin is a JSON {type(fields).__name__}, expected one object", file=sys.stderr)
        return 2
    print(Ledger(arguments.log, sync=True).append(fields))
    return 0


def _begin(arguments: argparse.Namespace) -> int:
    begin(arguments.log)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    key = arguments.key or (first_key(arguments.log) if first_key(arguments.log).exists() else None)
    verdict = verify(arguments.log, read_key(key) if key else None)
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(verdict), "keyed": key is not None}))
    else:
        for finding in verdict.findings:
            print(f"{finding.kind}: {finding.where}: {finding.message}")
        span = f"lines {verdict.first} to {verdict.last}" if verdict.last is not None else "no lines"
        print(f"{span} in {len(verdict.files)} files, {len(verdict.findings)} findings", file=sys.stderr)
        if key is None:
            print(
                "without the first key a chain made anew goes unseen; who took it: casemate logs verify",
                file=sys.stderr,
            )
    return 1 if verdict.findings else 0


def _tail(arguments: argparse.Namespace) -> int:
    for line in last(arguments.log, arguments.lines):
        text = line.decode("ascii", "backslashreplace")
        print("".join(char if char.isprintable() else ascii(char)[1:-1] for char in text))
    return 0


def _retain(arguments: argparse.Namespace) -> int:
    for path in seal(arguments.place):
        print(f"{path} could not be made immutable", file=sys.stderr)
    removed, left = remove(arguments.place, arguments.keep, arguments.most)
    for one in removed:
        print(f"removed {one.path}, {one.bytes} bytes, for {one.why}")
    for at in range(0, len(removed), _FILES_A_LINE):
        files = [dataclasses.asdict(one) for one in removed[at : at + _FILES_A_LINE]]
        Ledger(arguments.journal, sync=True).append({"event": "logs_removed", "files": files, "bytes_left": left})
    if left > arguments.most:
        print(
            f"{arguments.place} has {left} bytes, expected at most {arguments.most}, and no turned-over file is left; "
            "next: see what lies there that is no log",
            file=sys.stderr,
        )
    full = crowded(arguments.place)
    for directory in full:
        print(f"{directory} is full; next: see what lies there that is no log", file=sys.stderr)
    return 1 if left > arguments.most or full else 0


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text}, expected a whole number from 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="casemate-ledger", description="The chained JSON-lines log.")
    verbs = parser.add_subparsers(required=True, metavar="begin|append|verify|tail|retain")
    first = verbs.add_parser("begin", help="make the head and the first key of a log that has no line yet")
    first.set_defaults(run=_begin)
    append = verbs.add_parser("append", help="add one line: a JSON object on stdin; prints its number")
    append.set_defaults(run=_append)
    check = verbs.add_parser("verify", help="find missing, edited, reordered and cut lines")
    check.add_argument("--key", type=Path, help="file with the first key; default: LOG.key if it is there")
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_verify)
    tail = verbs.add_parser("tail", help="print the last lines, as they are: JSON")
    tail.add_argument("-n", "--lines", type=_count, default=10, metavar="N")
    tail.set_defaults(run=_tail)
    retain = verbs.add_parser("retain", help="seal turned-over logs, and remove those that are too old or too much")
    retain.add_argument("--keep", type=_count, required=True, metavar="N", help="turned-over files of each log")
    retain.add_argument("--most", type=_count, required=True, metavar="BYTES", help="of all logs together")
    retain.add_argument("--journal", type=Path, required=True, metavar="LOG", help="is told what was removed")
    retain.add_argument("place", type=Path)
    retain.set_defaults(run=_retain)
    for verb in (first, append, check, tail):
        verb.add_argument("log", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
