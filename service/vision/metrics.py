"""What Prometheus is told about requests: names after vLLM's (its documentation, "Production Metrics", 0.32).

What is `vllm:x` there is `casemate_vision_x` here, with the same unit and, but for the queue time (a summary of what
the engine adds up), the same type, so that a dashboard made for vLLM needs another prefix only; the colon is not taken
over, because Prometheus keeps it for recording rules. A figure that this service does not have (preemptions, prefix
cache) is left out rather than told as 0, and instead of the label `model_name` everywhere there is one `build_info`.
What vLLM lacks is ours: failures, pictures, the audit log, places, the event loop.

No label comes from a client: finish reasons and codes are words of this service's own source. A request is counted
once, from its audit line, when that is complete.
"""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from service.vision.entry import Entry

PREFIX = "casemate_vision"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_FIRST_TOKEN = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_BETWEEN_TOKENS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_DECODE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LAG = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
_TOKENS = (1, 4, 16, 64, 256, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
_CODES = ("audit_unavailable", "engine_failed", "engine_stuck", "internal_error", "out_of_memory", "queue_full")
"""Those that alarms are about are told as 0 from the start: in a rate the first of a new series does not count."""
_LAG_EVERY = 0.25  # Seconds.

disable_created_metrics()  # type: ignore[no-untyped-call]  # Else each counter and histogram comes twice in the old format.


class Metrics:
    """One service's figures, in a registry of its own. Recording is arithmetic on numbers in memory."""

    def __init__(self, model: str, release: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        Info(f"{PREFIX}_build", "What is served.", registry=self._registry).info({"release": release, "model": model})
        self._first_token = self._histogram("time_to_first_token_seconds", "Until the first token.", _FIRST_TOKEN)
        self._between = self._histogram("inter_token_latency_seconds", "From token to token.", _BETWEEN_TOKENS)
        self._whole = self._histogram("e2e_request_latency_seconds", "Of finished requests.", _SECONDS)
        self._decode = self._histogram("picture_decode_seconds", "All pictures of a request.", _DECODE)
        self._lag = self._histogram("event_loop_lag_seconds", "How late the event loop comes to its work.", _LAG)
        self._tokens_in = self._histogram("request_prompt_tokens", "Of finished requests.", _TOKENS)
        self._tokens_out = self._histogram("request_generation_tokens", "Of finished requests.", _TOKENS)
        self._finished = self._counter("request_success", "Finished requests.", "finished_reason")
        self._failed = self._counter("request_failures", "Requests refused, failed or cancelled.", "code")
        self._prompt_tokens = self._counter("prompt_tokens", "Prompt tokens of all requests.")
        self._pictures = self._counter("pictures", "Pictures decoded.")
        for reason in ("stop", "length"):
            self._finished.labels(reason)
        for code in _CODES:
            self._failed.labels(code)

    def read_at_scrape(self, collector: Collector) -> None:
        """Add figures that are read when Prometheus asks, not before."""
        self._registry.register(collector)

    def request(self, line: Entry) -> None:
        """Count a request by its finished audit line."""
        seconds = line.seconds
        if line.reason is not None:
            self._failed.labels(line.reason).inc()
        elif line.finish is not None:
            self._finished.labels(line.finish).inc()
            self._whole.observe(seconds["total"])
            self._tokens_in.observe(line.tokens_in)
            self._tokens_out.observe(line.tokens_out)
        if "first_token" in seconds:
            self._first_token.observe(seconds["first_token"])
        if line.pictures and "pictures" in seconds:
            self._decode.observe(seconds["pictures"] - seconds["body"])
            self._pictures.inc(len(line.pictures))
        self._prompt_tokens.inc(line.tokens_in)

    def token(self, seconds: float) -> None:
        """Count the time between two tokens of an answer."""
        self._between.observe(seconds)

    async def measure_lag(self) -> None:
        """Until cancelled: wake up, and note how late."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_EVERY
            await asyncio.sleep(_LAG_EVERY)
            self._lag.observe(max(0.0, loop.time() - due))

    def text(self, accept: str) -> tuple[bytes, str]:
        """All figures in the format that the scraper asks for, and its media type."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", what, buckets=buckets, registry=self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", what, labels, registry=self._registry)
