"""Nobody can shut the others out: what one principal may hold of what all share."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision.share import Full, Shares
from tests.service.vision.running import Running, question, until
from tests.service.vision.scripted import ScriptedEngine

steps = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(-9, 9), st.integers(0, 9)), max_size=200)
"""Of each: who, for how much more (or less), and how much of that takes the place of what is held already."""


def refused(shares: Shares, principal: str, amount: int = 1, had: int = 0) -> Full | None:
    try:
        shares.take(principal, amount, had)
    except Full as full:
        return full
    return None


@given(st.integers(1, 60), steps)
def test_whatever_is_asked(most: int, steps: list[tuple[str, int, int]]) -> None:
    shares, held = Shares(most, "are taken"), Counter[str]()
    for principal, amount, had in steps:
        own = held[principal]
        if amount <= 0:
            shares.give_back(principal, min(own, -amount))
            held[principal] -= min(own, -amount)
            continue
        had = min(had, own, amount - 1)
        left = most - (held.total() - had + amount)
        if full := refused(shares, principal, amount, had):
            assert left < 0 or own > had, "who holds nothing else is let in where it fits"
            assert left < 0 or own - had + amount > 4 * left
            assert full.ahead == (held.total() if left < 0 else own) - had
        else:
            held[principal] += amount - had
            assert own == had or held[principal] <= 4 * left
        assert shares.taken == held.total() <= most
        assert shares._held == +held
    for principal, own in held.items():
        shares.give_back(principal, own)
    assert (shares.taken, shares._held) == (0, {})


@given(st.integers(2, 1000), st.data())
def test_one_alone_gets_four_fifths_and_leaves_room_for_others(most: int, data: st.DataObject) -> None:
    shares = Shares(most, "are taken")
    parts = data.draw(st.lists(st.integers(1, max(1, most // 5)), max_size=50))
    for part in parts:
        refused(shares, "alice", part)
    while not refused(shares, "alice"):
        pass
    assert shares.taken == most * 4 // 5
    assert not refused(shares, "bob")


@pytest.mark.parametrize("others", [1, 2, 3, 7])
def test_who_comes_later_has_as_much_after_a_while(others: int) -> None:
    """Everybody wants everything: one of them is done, whose turn it is, and all ask again, the first one first."""
    everybody = ["first", *(f"later {number}" for number in range(others))]
    shares = Shares(80, "are taken")
    while not refused(shares, "first"):
        pass
    for turn in range(1000):
        done = everybody[turn % len(everybody)]
        if shares._held[done]:
            shares.give_back(done, 1)
        for principal in everybody:
            while not refused(shares, principal):
                pass
    held = [shares._held[principal] for principal in everybody]
    assert max(held) - min(held) <= 4, "one free place more or less changes a share by so many"
    assert sum(held) >= 80 * 3 // 4


def test_what_is_said_to_whom() -> None:
    shares = Shares(10, "tokens are waiting")
    shares.take("carol", 2)
    shares.take("alice", 6)
    with pytest.raises(Full, match="6 of your tokens are waiting, and your share has no room for 1 more") as own:
        shares.take("alice", 1)
    assert own.value.ahead == 6
    with pytest.raises(
        Full, match="8 tokens are waiting, and there is no room for 3 more: expected at most 10"
    ) as all_:
        shares.take("bob", 3)
    assert all_.value.ahead == 8


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Ten places, of which one principal can have eight."""
    running = Running(tmp_path, ScriptedEngine(), queue=8).start()
    yield running
    running.stop()


def asks(running: Running, principal: str, **changes: object) -> httpx.Response:
    with running.connect(**{"x-auth-principal": principal}) as client:
        return client.post("/v1/chat/completions", json={**question(), **changes})


def until_taken(running: Running, places: int) -> None:
    until(lambda: running.serving.admission.inside >= places)
    time.sleep(0.2)
    assert running.serving.admission.inside == places


def filled_by_slow_bodies(running: Running) -> list[socket.socket]:
    """More connections of Alice's than there are places, each with a body that never ends."""
    return [running.send(b"{", 100) for _ in range(12)]


def filled_by_streams(running: Running) -> list[socket.socket]:
    """Answers of Alice's that go on for long, two of them a request."""
    assert isinstance(running.engine, ScriptedEngine)
    running.engine.script = ["a", 30.0, "b"]
    body = httpx.Request("POST", "http://v", json={**question(), "stream": True, "n": 2}).content
    connections = [running.send(body) for _ in range(4)]
    until_taken(running, 8)
    running.engine.script = ["It is red."]
    return connections


@pytest.mark.parametrize("fill", [filled_by_slow_bodies, filled_by_streams])
def test_a_principal_that_takes_all_it_can_get_shuts_nobody_out(running: Running, fill: object) -> None:
    assert callable(fill)
    connections = fill(running)
    try:
        until_taken(running, 8)
        more = asks(running, "alice")
        assert (more.status_code, more.json()["error"]["code"]) == (429, "queue_full")
        said = "8 of your answers are waiting or being made, and your share has no room for 1 more"
        assert said in more.json()["error"]["message"]
        assert int(more.headers["retry-after"]) >= 1
        assert running.client.get("/readyz").status_code == 200, "the others are answered"
        assert asks(running, "bob").status_code == 200
        assert asks(running, "bob", n=2).status_code == 200
        assert asks(running, "carol", stream=True).text.endswith("data: [DONE]\n\n")
        assert "alice" not in running.client.get("/metrics").text
    finally:
        for connection in connections:
            connection.close()
    until(lambda: running.serving.admission.inside == 0)
    assert asks(running, "alice").status_code == 200
