"""A sentinel of its own for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.sentinel.running import Sentinel


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Sentinel]:
    """Not started yet."""
    one = Sentinel(tmp_path)
    yield one
    one.close()
