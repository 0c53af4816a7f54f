"""Controls for the tests of the judgement itself."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.judgement.control import Control

Make = Callable[..., Control]


@pytest.fixture
def control() -> Make:
    """`control("some-truth", check="host.a.b == 1")`."""

    def make(name: str = "some-truth", **fields: Any) -> Control:
        given = {
            "id": name,
            "title": f"The title of {name}",
            "severity": "high",
            "references": ["CIS 1"],
            "rationale": "because",
            "check": "host.a.b == 1",
            "got": "'b is ' + string(host.a.b)",
            "remedy": "casemate deploy INVENTORY",
            "good": {"host": {"a": {"b": 1}}},
            "bad": {"host": {"a": {"b": 2}}},
        }
        return Control.model_validate(given | fields)

    return make
