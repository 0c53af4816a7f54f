"""What is told when: each word at once to who shows it, a few together to who does not, and the end always."""

from typing import Any

import pytest
import torch

from service.vision.conversation import Sampling
from service.vision.engine.mailbox import Event
from service.vision.engine.order import Order, Post
from service.vision.engine.prompt import Prompt
from service.vision.engine.protocol import Done, JobFailed, Text


class Outbox:
    """An outlet that keeps what it is told."""

    def __init__(self) -> None:
        self.bags: list[list[tuple[Any, Event]]] = []

    def deliver(self, bag: list[tuple[Any, Event]]) -> None:
        self.bags.append(bag)


def order(outlet: Outbox, address: str, *, together: int) -> Order:
    positions = torch.zeros(3, 3, dtype=torch.long)
    prompt = Prompt(torch.arange(3), positions, 0, torch.arange(0), (), thinks_first=False)
    return Order(prompt, Sampling(), 99, "alice", outlet, address, together)


@pytest.mark.parametrize("end", [Done("stop", 20), JobFailed("ended", "engine_failed", again=False)])
def test_a_stream_word_by_word_and_a_whole_answer_by_a_few(end: Event) -> None:
    outbox, post = Outbox(), Post()
    quick, slow = order(outbox, "quick", together=1), order(outbox, "slow", together=8)
    words = [Text(f"{number} ", number) for number in range(1, 20)]
    for word in words:
        post.put(quick, word)
        post.put(slow, word)
        post.send()
    for one in (quick, slow):
        post.put(one, end)
    post.send()
    told = {name: [[event for at, event in bag if at == name] for bag in outbox.bags] for name in ("quick", "slow")}
    assert [bag for bag in told["quick"] if bag] == [*([word] for word in words), [end]]
    assert [bag for bag in told["slow"] if bag] == [words[:8], words[8:16], [*words[16:], end]]
