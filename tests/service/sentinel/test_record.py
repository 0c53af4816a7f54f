"""Changes into the ledger: at once, in groups, with hostile names."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.sentinel.change import Who
from service.sentinel.record import Finding, Recorder
from tests.service.sentinel.findings import change, entry, lines, sound


def test_a_change_is_a_line_when_it_returns(recorder: Recorder, log: Path) -> None:
    assert recorder.changed(change(who=Who(7, "/bin/sh", ("sh",), 0)), "high")
    assert recorder.changed(change(what="removed", after=None), "critical", planned_by="run1")
    alert, planned = lines(log)
    assert (alert["event"], alert["severity"], alert["path"]) == ("alert", "high", "/etc/passwd")
    assert (alert["differs"], alert["after"]["mode"], alert["who"]["pid"]) == (["mode"], "4755", 7)
    assert (planned["event"], planned["severity"], planned["run"]) == ("planned", None, "run1")
    assert sound(log)


def test_a_group_is_one_write_with_its_sum_at_the_end(recorder: Recorder, log: Path) -> None:
    findings = [Finding(change(b"/etc/%d" % n), "low") for n in range(150)]
    findings.append(Finding(change(set="keys"), "critical"))
    findings.append(Finding(change(set="keys"), "high", "run1"))
    assert recorder.changed_all(findings)
    written = lines(log)
    assert [line.get("path") for line in written[:150]] == [f"/etc/{n}" for n in range(150)]
    assert len({line["time"] for line in written}) == 1
    assert written[-1] | {"seq": 0, "time": 0, "prev": 0, "mac": 0} == {
        "seq": 0, "time": 0, "prev": 0, "mac": 0,
        "event": "burst", "severity": None, "worst": "critical", "count": 152, "planned": 1,
        "sets": {"etc": 150, "keys": 2},
    }  # fmt: skip
    tally = recorder.tally()
    assert (tally.alerts, tally.planned) == ({("low", "etc"): 150, ("critical", "keys"): 1}, 1)
    assert set(tally.last) == {"low", "critical"}


def test_threads_make_one_chain(recorder: Recorder, log: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: recorder.changed(change(b"/etc/%d" % n), "low"), range(200)))
    assert all(done)
    assert {line["path"] for line in lines(log) if line["event"] == "alert"} == {f"/etc/{n}" for n in range(200)}
    assert sound(log)


def test_hostile_names_and_endless_fields_do_not_keep_an_alert_out(recorder: Recorder, log: Path) -> None:
    path = b"/" + b"\n\x1b\xff\\" * 1023
    link = entry(kind="link", target=b"\x80" * 4095)
    who = Who(1, "\udcff" * 4000, ("\u202e" * 100_000, *["x"] * 100_000), 0)
    worst = change(path, before=link, after=link, container="c" * 64, inside=path, who=who)
    assert recorder.changed_all([Finding(change(), "low"), Finding(worst, "critical")])
    assert recorder.changed(change(who=who), "high")
    assert bytes.fromhex(lines(log)[1]["path_hex"]) == path
    assert lines(log)[1]["severity"] == "critical"
    assert recorder.note("unreadable", "high", path="x" * 20_000, error="y" * 100_000)
    assert sound(log)


def test_a_note_that_is_no_json_is_its_writer_s_fault(recorder: Recorder) -> None:
    with pytest.raises(TypeError):
        recorder.note("swept", path=b"/etc")
    with pytest.raises(ValueError, match="belong to the ledger"):
        recorder.note("swept", seq=1)
