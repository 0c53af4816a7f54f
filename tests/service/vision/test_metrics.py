"""What /metrics tells, after requests that really came."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from service.vision.engine.protocol import JobFailed, Load
from service.vision.entry import Entry
from service.vision.metrics import Metrics
from tests.service.vision.running import Running, part, user
from tests.service.vision.scripted import ScriptedEngine

SECRET = "correct-horse-battery"
OURS = "casemate_vision_"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Running]:
    """A service of its own: its counters begin at 0."""
    running = Running(tmp_path, ScriptedEngine()).start()
    yield running
    running.stop()


def figures(service: Running) -> dict[str, float]:
    """Each sample of ours by its name without our prefix, with its labels as Prometheus writes them."""
    found = {}
    for family in parse(service.client.get("/metrics").text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[sample.name.removeprefix(OURS) + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_requests_are_counted_by_how_they_ended(fresh: Running) -> None:
    engine = fresh.engine
    assert isinstance(engine, ScriptedEngine)
    engine.script = ["It", 0.03, " is", " red."]
    fresh.ask()
    fresh.ask(stream=True)
    engine.reason = "length"
    fresh.ask()
    fresh.ask(tools=[{}])
    fresh.client.get(f"/{SECRET}")
    engine.script = [JobFailed("no memory", "out_of_memory", again=False)]
    fresh.ask(stream=True)
    fresh.lines(6)
    found = figures(fresh)
    assert found['request_success_total{finished_reason="stop"}'] == 2
    assert found['request_success_total{finished_reason="length"}'] == 1
    assert {name for name in found if name.startswith("request_failures_total") and found[name]} == {
        f'request_failures_total{{code="{code}"}}' for code in ("unsupported_parameter", "not_found", "out_of_memory")
    }
    assert found["prompt_tokens_total"] == 4 * 7
    assert found["request_generation_tokens_sum"] == 9
    assert found["e2e_request_latency_seconds_count"] == found["time_to_first_token_seconds_count"] == 3
    assert found["inter_token_latency_seconds_count"] == 6
    assert 0.09 <= found["inter_token_latency_seconds_sum"] < found["e2e_request_latency_seconds_sum"]
    assert found["pictures_total"] == found["picture_decode_seconds_count"] == 4
    assert found['build_info{model="micro",release="r1"}'] == 1


def test_what_the_engine_says_is_told_at_the_scrape(fresh: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = fresh.engine
    assert isinstance(engine, ScriptedEngine)
    monkeypatch.setattr(engine, "load", lambda: Load(3, 2, 512, 1024, 99, 10, 4, 6, 1.5, 7))
    engine.beat = 12.5
    found = figures(fresh)
    told = {
        "num_requests_running": 3,
        "num_requests_waiting": 2,
        "kv_cache_usage_perc": 0.5,
        "generation_tokens_total": 99,
        "mm_cache_queries_total": 10,
        "mm_cache_hits_total": 4,
        "request_queue_time_seconds_count": 6,
        "request_queue_time_seconds_sum": 1.5,
        "engine_heartbeat_age_seconds": 12.5,
        "engine_resident_memory_bytes": 7,
        "places": 6,
        "places_taken": 0,
        "ready": 1,
        "healthy": 1,
    }
    assert {name: found[name] for name in told} == told
    engine.beat = 301
    assert (figures(fresh)["healthy"], fresh.client.get("/healthz").status_code) == (0, 503)
    engine.state = "loading"
    monkeypatch.setattr(engine, "load", lambda: Load())
    found = figures(fresh)
    assert (found["ready"], found["healthy"], found["kv_cache_usage_perc"]) == (0, 1, 0)


def test_the_process_is_told_too(fresh: Running) -> None:
    found = figures(fresh)
    assert found["process_resident_memory_bytes"] > 10_000_000
    assert found["process_open_fds"] > 3


def test_the_format_is_the_scrapers_choice(fresh: Running) -> None:
    plain = fresh.client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    open_metrics = fresh.client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")


def test_it_needs_no_identity_and_leaves_no_line_but_of_what_it_refuses(fresh: Running) -> None:
    with fresh.connect() as client:
        client.headers.clear()
        assert client.get("/metrics").status_code == 200
        assert client.post("/metrics").status_code == 405
    fresh.client.get("/v1/models")
    refused, last = fresh.lines(2)
    assert (refused["principal"], refused["status"], refused["reason"]) == (None, 405, "method_not_allowed")
    assert last["route"] == "/v1/models"


def test_no_word_of_a_client_is_ever_told_and_what_is_kept_does_not_grow(fresh: Running) -> None:
    """Everything that a client can put a word into, many different words."""

    def attack(number: int) -> None:
        word = f"{SECRET}-{number}"
        identity = {"x-auth-principal": word, "x-auth-key-id": word, "x-request-id": word, "user-agent": word}
        fresh.client.headers.update(identity)
        fresh.ask(messages=[user(part(), word)], user=word)
        fresh.ask(model=word)
        fresh.ask(**{word: word})
        fresh.ask(stop=[word] * 9, temperature=word)
        fresh.ask(messages=[user(part(word.encode()), word)])
        fresh.client.get(f"/{word}?{word}")
        fresh.client.request(word.upper(), "/v1/models")
        fresh.client.get(f"/v1/models/{word}")

    attack(0)
    before = set(figures(fresh))
    assert any(name.startswith("request_failures") for name in before)
    for number in range(1, 8):
        attack(number)
    assert set(figures(fresh)) == before
    assert SECRET not in fresh.client.get("/metrics").text.lower()


def test_two_services_in_one_process_count_apart(fresh: Running, service: Running) -> None:
    service.ask()
    assert figures(fresh)['request_success_total{finished_reason="stop"}'] == 0


def test_a_blocked_event_loop_shows() -> None:
    async def block() -> str:
        metrics = Metrics("micro", "r1")
        task = asyncio.create_task(metrics.measure_lag())
        await asyncio.sleep(0.01)
        time.sleep(0.6)
        await asyncio.sleep(0.05)
        task.cancel()
        return metrics.text("")[0].decode()

    told = dict(line.rsplit(" ", 1) for line in asyncio.run(block()).splitlines() if not line.startswith("#"))
    assert float(told[f"{OURS}event_loop_lag_seconds_sum"]) > 0.3
    assert float(told[f'{OURS}event_loop_lag_seconds_bucket{{le="0.25"}}']) == 0


def test_counting_a_request_costs_microseconds() -> None:
    """Of a budget of 5 ms; the limit here is 40 times what it takes, for a busy machine."""
    metrics = Metrics("micro", "r1")
    marks = {"body": 0.001, "pictures": 0.002, "first_token": 0.1, "total": 0.5}
    line = Entry(
        "r", "p", "k", None, "POST", finish="stop", pictures={0: {}}, tokens_in=300, tokens_out=64, seconds=marks
    )
    took = []
    for _ in range(200):
        began = time.perf_counter()
        metrics.request(line)
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.001
