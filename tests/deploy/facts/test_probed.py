"""What the operator's side makes of an experiment."""

from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.facts import probed as module
from deploy.facts.probed import PROBES, UNPROVEN, judged, probed
from deploy.facts.shell import Answer

GOOD = {name: {"reached": [], "proven": ["a"], "unproven": []} for name in PROBES}


def test_an_experiment_that_proved_everything_is_passed_on() -> None:
    found = judged(GOOD)
    assert found == {**GOOD, "errors": {}}


def test_what_the_control_could_not_do_either_proves_nothing() -> None:
    found = judged({**GOOD, "icmp": {"reached": [], "proven": [], "unproven": ["a"]}})
    assert found["icmp"] is None
    assert found["errors"] == {"icmp": UNPROVEN}


def test_what_got_through_counts_even_if_the_control_failed() -> None:
    leak = {"reached": ["a (open)"], "proven": [], "unproven": []}
    assert judged({**GOOD, "host_tcp": leak})["host_tcp"] == leak


def test_a_probe_that_is_missing_is_not_passed() -> None:
    found = judged({name: outcome for name, outcome in GOOD.items() if name != "writes"})
    assert found["writes"] is None
    assert "writes" in found["errors"]


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def ask(*_: Any, **__: Any) -> Answer:
        if isinstance(answer, Exception):
            raise answer
        return Answer(True, answer, ["some error"])

    monkeypatch.setattr(module, "ask", ask)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (['{"error": "RuntimeError: no such image"}'], "no such image"),
        ([], "some error"),
        (CasemateError("the SSH connection broke", next="again"), "the SSH connection broke"),
    ],
)
def test_an_experiment_that_could_not_be_made_leaves_every_probe_unknown(
    monkeypatch: pytest.MonkeyPatch, answer: Any, why: str
) -> None:
    answering(monkeypatch, answer)
    found = probed(object(), "casemate-vision-a")
    assert all(found[name] is None and why in found["errors"][name] for name in PROBES)


def test_without_a_container_there_are_no_walls_to_try() -> None:
    assert "no vision container" in probed(object(), None)["errors"]["host_tcp"]


def test_what_a_login_shell_prints_before_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ["Welcome!", '{"host_tcp": {"reached": [], "proven": ["a"], "unproven": []}}'])
    assert probed(object(), "casemate-vision-a")["host_tcp"] == {"reached": [], "proven": ["a"], "unproven": []}
