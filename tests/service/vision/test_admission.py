"""How many may be inside, and what the others are told."""

import threading
from pathlib import Path

import httpx
import pytest

from service.vision.admission import Admission
from service.vision.errors import ApiError
from tests.service.vision.running import Running, question, until
from tests.service.vision.scripted import ScriptedEngine


def test_places_come_back() -> None:
    admission = Admission(3, width=1)
    first = admission.enter("alice")
    first.widen(3)
    assert admission.full
    with pytest.raises(ApiError) as refused:
        admission.enter("bob")
    assert (refused.value.status, refused.value.code) == (429, "queue_full")
    first.leave()
    first.leave()
    assert admission.inside == 0


def test_a_request_that_finds_too_few_places_takes_none() -> None:
    admission = Admission(3, width=1)
    place = admission.enter("alice")
    with pytest.raises(ApiError):
        place.widen(4)
    place.leave()
    assert admission.inside == 0


def test_the_time_to_come_back_follows_how_long_answers_take() -> None:
    admission = Admission(4, width=2)
    for _ in range(40):
        admission.enter("alice")
        admission.left("alice", 1, seconds=10)
    admission.enter("alice", 4)
    with pytest.raises(ApiError) as refused:
        admission.enter("bob")
    assert refused.value.headers == {"retry-after": "20"}


def test_closed() -> None:
    admission = Admission(4, width=1)
    place = admission.enter("alice")
    admission.closed = True
    for more in (lambda: admission.enter("alice"), lambda: place.widen(2)):
        with pytest.raises(ApiError) as refused:
            more()
        assert (refused.value.status, refused.value.code) == (503, "stopping")


def test_more_answers_than_there_are_places_can_never_be_had(tmp_path: Path) -> None:
    running = Running(tmp_path, ScriptedEngine(width=1), queue=1).start()
    try:
        refused = running.ask(n=3)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "n")
        assert "expected at most 2" in refused.json()["error"]["message"]
        assert running.ask(n=2).status_code == 200
    finally:
        running.stop()


def test_a_full_queue_answers_at_once_and_is_not_ready(tmp_path: Path) -> None:
    engine = ScriptedEngine(script=["a", 0.4, "b"], width=1)
    running = Running(tmp_path, engine, queue=1).start()
    answers: list[httpx.Response] = []
    clients = [running.connect(**{"x-auth-principal": principal}) for principal in ("bob", "carol")]

    def ask(client: httpx.Client) -> None:
        answers.append(client.post("/v1/chat/completions", json=question()))

    askers = [threading.Thread(target=ask, args=(client,)) for client in clients]
    try:
        for asker in askers:
            asker.start()
        until(lambda: running.serving.admission.inside >= 2)
        refused = running.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert int(refused.headers["retry-after"]) >= 1
        assert running.client.get("/readyz").json()["error"]["code"] == "queue_full"
        for asker in askers:
            asker.join()
        assert [answer.status_code for answer in answers] == [200, 200]
        assert running.client.get("/readyz").status_code == 200
        assert len(engine.jobs) == 2
    finally:
        running.stop()
