"""Root on the host writes the end of a log anew, with all that lies there; and the same attack where it goes unseen."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.facts.observed import Observed
from deploy.run import chains
from service.ledger.chain import fingerprint, seal, successor
from service.ledger.head import beside, first_key, peek
from service.ledger.keys import Keys
from tests.deploy.cli.host_logs import HOST, INVENTORY, findings, write

pytestmark = pytest.mark.long


def rewrite_tail(log: Path, begin: int, key: bytes) -> None:
    """As root: lines from `begin` on say something else, in a good chain with a head, under `key` for line `begin`."""
    lines = log.read_bytes().splitlines()
    prev, forged = fingerprint(lines[begin - 1]), lines[:begin]
    for raw in lines[begin:]:
        fields = json.loads(raw)
        own = {"event": "request", "number": fields["number"], "principal": "mallory"}
        forged.append(seal(fields["seq"], fields["time"], own, prev, key))
        prev, key = fingerprint(forged[-1]), successor(key)
    log.write_bytes(b"\n".join(forged) + b"\n")
    head = json.loads(beside(log).read_bytes())
    text = json.dumps({**head, "prev": prev, "key": key.hex()})
    beside(log).write_text(text.ljust(255) + "\n")


def stolen(log: Path) -> bytes:
    """What root finds beside a log: the key of the next line, and key 0 as long as it lies there."""
    if first_key(log).exists():
        return Keys(0, bytes.fromhex(first_key(log).read_text())).at(8)
    head = peek(log)
    assert head
    return head.key


def test_a_tail_that_root_wrote_anew_is_found_since_its_key_was_gone(log: Path, tmp_path: Path) -> None:
    chains.take(HOST, INVENTORY)
    write(log, 4)
    rewrite_tail(log, 8, stolen(log))
    found = findings()
    assert found[:4] == [("edited", f"audit.jsonl:{line}") for line in (9, 10, 11, 12)]
    assert findings() == found, "it stays found"


def test_the_control_with_the_key_on_the_host_and_no_note_the_same_attack_goes_unseen(log: Path) -> None:
    write(log, 4)
    rewrite_tail(log, 8, stolen(log))
    assert findings() == []


def test_a_tail_that_root_wrote_anew_with_every_key_is_found_since_a_deploy_had_noted_it(log: Path) -> None:
    write(log, 4)
    key = stolen(log)
    chains.after_a_run(HOST, INVENTORY, None, print)
    rewrite_tail(log, 8, key)
    assert findings() == [("remade", "audit.jsonl:12")]


def test_what_a_deploy_with_nothing_to_do_saw_is_noted_and_nobody_is_asked(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = stolen(log)
    chains.take(HOST, INVENTORY)
    write(log, 4)

    def unasked(*_: Any) -> Any:
        raise AssertionError("nobody is asked")

    head = peek(log)
    assert head
    section = {"keys": {}, "heads": {str(log): {"seq": head.seq, "prev": head.prev}}}
    said: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(chains, "told", unasked)
        chains.after_a_run(HOST, INVENTORY, Observed({"logs": section}, 0.0), said.append)
    assert said == []
    rewrite_tail(log, 8, key)
    assert findings() == [("remade", "audit.jsonl:12")]
