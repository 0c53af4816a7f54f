"""A host that lacks something is refused before anything is asked of it."""

from typing import Any, cast

import pytest

from deploy.components import preflight
from deploy.errors import CasemateError
from deploy.facts.observed import Observed
from deploy.facts.shortfalls import Shortfall
from deploy.settings.host import HostSettings

SETTINGS = cast(HostSettings, None)
LACKS = [
    Shortfall("memory", "8.0 GB", "at least 16 GB", "add memory"),
    Shortfall("clock", "90 s behind this machine's", "at most 30 s of difference", "timedatectl set-ntp true"),
]


def test_all_that_is_missing_is_one_error(fake_host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_host()
    monkeypatch.setattr(preflight, "shortfalls", lambda settings, seen, now: LACKS)
    with pytest.raises(CasemateError) as caught:
        preflight.judge(SETTINGS)
    assert caught.value.message.splitlines() == [
        "gpu1: 2 things are missing, nothing was changed:",
        "  memory: 8.0 GB, expected at least 16 GB. Next: add memory",
        "  clock: 90 s behind this machine's, expected at most 30 s of difference. Next: timedatectl set-ntp true",
    ]


def test_the_clock_is_compared_with_the_operators_when_the_snapshot_was_taken(
    fake_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_host()
    moments: list[float] = []

    def judged(settings: HostSettings, seen: Observed, now: float) -> list[Shortfall]:
        moments.append(now)
        return []

    monkeypatch.setattr(preflight, "shortfalls", judged)
    preflight.judge(SETTINGS)
    assert moments == [1000.0], "not the time of the judgement: the snapshot may be older"


def test_one_missing_thing_is_said_in_the_singular() -> None:
    assert preflight.refusal("gpu1", LACKS[:1]).message.startswith("gpu1: 1 thing is missing, nothing was changed:")
