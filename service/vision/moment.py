"""How the service stands at the moment when Prometheus asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from service.vision.engine.protocol import Load
from service.vision.metrics import PREFIX


@dataclass(frozen=True)
class Moment:
    """`beat` is the age in seconds of the engine's last sign of life; places are those of `Admission`."""

    ready: bool
    healthy: bool
    beat: float
    load: Load
    places: int
    places_taken: int
    audit_failures: int
    audit_lost: int


class Moments(Collector):
    """Figures of the moment, for a registry."""

    def __init__(self, look: Callable[[], Moment]) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        now = self._look()
        load = now.load
        gauges = {
            "ready": ("Whether /readyz says so.", now.ready),
            "healthy": ("Whether /healthz says so.", now.healthy),
            "engine_heartbeat_age_seconds": ("Since the engine's last sign of life.", now.beat),
            "num_requests_running": ("Answers in the making.", load.running),
            "num_requests_waiting": ("Answers that wait for the engine.", load.waiting),
            "kv_cache_usage_perc": ("1 is full.", load.cache_used / load.cache_size if load.cache_size else 0.0),
            "engine_resident_memory_bytes": ("Of the engine's process.", load.resident),
            "places": ("Answers that may be inside at once; more are refused with 429.", now.places),
            "places_taken": ("Of them those that are.", now.places_taken),
        }
        counters = {
            "generation_tokens": ("Tokens chosen.", load.generated),
            "mm_cache_queries": ("Pictures that the engine read.", load.pictures),
            "mm_cache_hits": ("Of them those whose features it still knew.", load.pictures_known),
            "audit_failures": ("Lines that the audit log did not take.", now.audit_failures),
            "audit_lost_lines": (
                "Of them those that would have closed a request and did not come later.",
                now.audit_lost,
            ),
        }
        name, what = f"{PREFIX}_request_queue_time_seconds", "Until the engine began with it."
        yield SummaryMetricFamily(name, what, count_value=load.began, sum_value=load.waited)
        for name, (what, value) in gauges.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", what, float(value))
        for name, (what, value) in counters.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", what, float(value))
