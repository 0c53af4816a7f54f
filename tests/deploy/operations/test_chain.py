"""A chain begins once, as its owner's."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.facts.posture.logs import flags
from deploy.operations.chain import begun
from deploy.operations.units import no_unit
from service.ledger import Ledger, verify
from service.ledger.head import begin, first_key, peek, take
from tests.deploy.conftest import FakeHost, Operate

LOG = "/var/log/casemate/gate/gate.jsonl"


def test_a_chain_begins_once_by_its_owner(commands: Operate) -> None:
    [command] = commands(begun, {"log": LOG, "owner": "casemate-gate"}, logs={"heads": {LOG: None}})
    assert command == f"[ -s {LOG} ] || runuser -u casemate-gate -- /opt/casemate/bin/casemate-ledger begin {LOG}"
    assert commands(begun, {"log": LOG, "owner": "x"}, logs={"heads": {LOG: {"seq": 0, "prev": "0"}}}) == []


def test_a_host_whose_heads_are_unknown_is_left_alone(fake_host: Callable[..., FakeHost]) -> None:
    fake_host(logs=None)
    with pytest.raises(CasemateError, match="logs could not be read"):
        list(begun._inner(log=LOG, owner="x"))


def test_a_unit_that_is_not_wanted_goes_and_one_that_is_not_there_costs_nothing(commands: Operate) -> None:
    asked = {"unit": "casemate-forward.service", "path": "/etc/systemd/system/casemate-forward.service"}
    assert commands(no_unit, asked) == []
    [command] = commands(no_unit, asked, files={asked["path"]: {"sha256": "x"}})
    assert command.startswith("systemctl disable --now casemate-forward.service; rm -f /etc/")


def test_a_chain_that_has_begun_has_a_key_to_take_before_its_first_line(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    begin(log)
    begin(log)
    key = bytes.fromhex(first_key(log).read_text())
    head = peek(log)
    assert head
    assert (head.seq, head.key, log.exists()) == (0, key, False)
    assert not take(log, "0" * 64), "another key is not forgotten"
    assert first_key(log).exists()
    digest = subprocess.run(["sha256sum"], input=key, capture_output=True, check=True).stdout[:64].decode()
    assert take(log, digest)
    assert not first_key(log).exists()
    assert take(log, digest), "a second time is no error"
    assert Ledger(log).append({"n": 0}) == 0
    assert verify(log, key).findings == []
    assert json.loads(log.read_bytes())["n"] == 0


def test_root_is_not_led_by_links_of_who_owns_a_log_directory(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    secret = tmp_path / "secret"
    secret.write_text("0" * 64)
    begin(log)
    first_key(log).unlink()
    first_key(log).symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        take(log, "0" * 64)
    assert secret.exists()
    first_key(log).unlink()
    os.mkfifo(first_key(log))
    with pytest.raises(Exception, match="is no key"):
        take(log, "0" * 64)


def test_flags_are_those_of_lsattr(tmp_path: Path) -> None:
    assert flags(str(tmp_path / "absent")) is None
    seen = flags(str(tmp_path))
    assert seen is None or not seen & 0x10
