"""What a sentinel tells before anything has happened."""

from service.sentinel import exposition as tells
from service.sentinel.outlets.outlet import Condition
from service.sentinel.record import Tally
from tests.service.sentinel.figures import STATE


def exposition() -> str:
    """For Prometheus."""
    return tells.exposition(STATE, Tally({}, 0, {}, 0, None, [Condition("webhook", 0, 0, 0, 0, 0, None, None)]), None)
