"""What an operator reads when a sentinel does not do as it is asked."""

from types import SimpleNamespace

from deploy.run.sentinel import refused


def test_the_sentinel_s_own_advice_is_the_advice() -> None:
    error = refused(SimpleNamespace(name="gpu1"), "casemate-sentinel: /x is as the baseline says; next: look at it")
    assert (error.message, error.next) == ("gpu1: the sentinel says: /x is as the baseline says", "look at it")


def test_a_sentinel_without_advice_is_looked_at() -> None:
    error = refused(SimpleNamespace(name="gpu1"), "no answer")
    assert error.message == "gpu1: the sentinel says: no answer"
    assert "systemctl status casemate-sentinel.service" in error.next
