"""What a service tells before its first request."""

from service.vision.engine.protocol import Load
from service.vision.metrics import Metrics
from service.vision.moment import Moment, Moments


def exposition() -> str:
    """For Prometheus."""
    metrics = Metrics("micro", "r1")
    moment = Moment(True, True, 0.0, Load(), 6, 0, 0, 0)
    metrics.read_at_scrape(Moments(lambda: moment))
    return metrics.text("")[0].decode()
