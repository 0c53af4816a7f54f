"""Turns on the event loop: few a round, in order, and nobody who has left takes one."""

import asyncio

from service.vision.rounds import _A_ROUND, Rounds


async def _rounds_of(rounds: Rounds, many: int) -> list[int]:
    """The round of the event loop in which each of so many got a turn."""
    now, got = 0, []

    async def one() -> None:
        await rounds.turn()
        got.append(now)

    tasks = [asyncio.create_task(one()) for _ in range(many)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        now += 1
    return got


def test_few_a_round_and_all_in_the_end() -> None:
    got = asyncio.run(_rounds_of(Rounds(), 20))
    assert len(got) == 20
    assert got == sorted(got)
    assert max(got.count(one) for one in got) <= _A_ROUND


def test_they_are_served_in_their_order() -> None:
    async def together() -> list[int]:
        rounds, served = Rounds(), []

        async def one(number: int) -> None:
            for _ in range(3):
                await rounds.turn()
                served.append(number)
                await asyncio.sleep(0)  # As whoever waits for the next part of a body does.

        await asyncio.gather(*(one(number) for number in range(7)))
        return served

    served = asyncio.run(together())
    assert sorted(served[:7]) == list(range(7)), "nobody has a second turn before everybody had one"
    assert len(served) == 21


def test_who_has_gone_takes_no_turn() -> None:
    async def leave() -> int:
        rounds = Rounds()
        waiting = [asyncio.create_task(rounds.turn()) for _ in range(_A_ROUND * 3)]
        await asyncio.sleep(0)
        for task in waiting[_A_ROUND:-1]:
            task.cancel()
        await waiting[-1]
        await rounds.turn()
        return len(rounds._waiting)

    assert asyncio.run(asyncio.wait_for(leave(), 5)) == 0
