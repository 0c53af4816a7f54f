"""Verifying a host's chained logs from here: its own look at all lines, and the proof of the new ones by their keys."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deploy.facts.chained.logs import LOGS
from deploy.facts.program import self_contained
from deploy.facts.told import told
from deploy.operations import channel
from deploy.run.anchors import Anchored, End
from deploy.run.chains import take
from deploy.run.connection import host_key
from deploy.run.first_keys import FirstKey, keep
from deploy.run.received import received
from service.ledger.chain import fingerprint, parse
from service.ledger.keys import Keys
from service.ledger.verdict import Anchor, Verdict
from service.ledger.walk import Walk

Say = Callable[[str], None]


def judge(host: Any, inventory: str, noted: Anchored, say: Say) -> dict[str, Any]:
    """Log to verdict, or {"error"}; `path` is where it lies, `proven` how many lines were held against their keys now.

    Raises CasemateError when the host cannot be read.
    """
    taken = take(host, inventory)
    for trouble in taken.troubles:
        say(f"{host.name}: {trouble}")
    found = told(host, "deploy.facts.chained.judged", LOGS, {log: noted.of(log) for log in LOGS})
    far: dict[str, FirstKey] = {}
    for log, one in found.items():
        one |= {"path": LOGS[log], "proven": None}
        if "error" in one:
            continue
        first = taken.keys.get(log)
        if first:
            here, reached = _prove(host, log, first, noted, one["end"], say)
            one |= _merged(one, here, whole=_since(first, noted.logs.get(log)) is None)
            far |= {log: reached} if not one["findings"] and reached != first else {}
        if log in taken.other:
            message = "another first key lies beside it than the one that was taken: the chain was made anew"
            one["findings"].append({"kind": "remade", "where": LOGS[log], "message": message})
    if far:
        keep(inventory, host.name, host_key(host), far)
    return found


def proven(
    lines: Iterable[tuple[str, bytes]], log: str, first: FirstKey, noted: list[End], since: End | None
) -> tuple[Verdict, FirstKey]:
    """The verdict on these lines, and how far the chain is proven by it."""
    anchors = [Anchor(end["seq"], end["prev"]) for end in noted]
    keys = Keys(0, bytes.fromhex(first.key))
    walk = Walk(Verdict([]), keys, anchors)
    for index, (where, line) in enumerate(lines):
        if index == 0 and since:
            known = fingerprint(line.rstrip(b"\n")) == since["prev"]
            if known or _number(line) >= since["seq"]:  # Else that line is gone, and all are judged from the first.
                keys = Keys(first.seq, bytes.fromhex(first.evolved))
                walk = Walk(Verdict([]), keys, anchors, Anchor(since["seq"], since["prev"]))
            if known:
                continue  # It was judged the last time.
        walk.line(where, line)
    end = walk.end(log)
    return walk.verdict, first.at(end.seq, keys.at(end.seq).hex()) if end else first


def _prove(
    host: Any, log: str, first: FirstKey, noted: Anchored, end: Mapping[str, Any] | None, say: Say
) -> tuple[Verdict, FirstKey]:
    """From where the last proof ended, else from the first line; `end` is the host's: nothing new, no work."""
    since = _since(first, noted.logs.get(log))
    if since and end and (end["seq"], end["prev"]) == (since["seq"], since["prev"]):
        return Verdict([], end=Anchor(end["seq"], end["prev"])), first
    program = self_contained("deploy.facts.chained.sent", LOGS[log], since)
    chunks = channel.read(host, "python3", "-", stdin=program)
    lines = received(chunks, lambda sentence: say(f"{host.name}: {log}: {sentence}"))
    return proven(lines, LOGS[log], first, noted.of(log), since)


def _since(first: FirstKey, good: End | None) -> End | None:
    """The end of the last proof; None when there was none, or its note was taken away."""
    return good if good and first.seq and good["seq"] == first.seq else None


def _merged(there: Mapping[str, Any], here: Verdict, *, whole: bool) -> dict[str, Any]:
    """The host's own verdict on the whole log, with what the keys showed here: of `whole` lines they know better."""
    ours = [vars(one) for one in here.findings]
    places = {(one["kind"], one["where"]) for one in ours}
    lines = [one for one in there["findings"] if one["where"].rpartition(":")[2].isdigit()]
    theirs = [one for one in there["findings"] if (one["kind"], one["where"]) not in places]
    return {
        "findings": [*ours, *(one for one in theirs if not whole or one not in lines)],
        "more": there["more"] + here.more,
        "end": vars(here.end) if here.end else None,
        "keyed": True,
        "proven": here.lines,
    }


def _number(line: bytes) -> int:
    fields = parse(line.rstrip(b"\n"))
    return int(fields["seq"]) if fields else -1
