"""What all tests share."""

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# A machine under load is slow to draw examples; that is no fault of the code under test.
settings.register_profile("casemate", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
settings.load_profile("casemate")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Pytest now removes what earlier sessions left, 100,000 directories of the sentinel's tests among it.

    Gevent, which the deploy's commands bring, closes a directory when its loop comes round, and here it no longer does.
    """
    if monkey := sys.modules.get("gevent.monkey"):
        os.close = monkey.get_original("os", "close")
