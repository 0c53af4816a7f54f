"""The places of rows: what is put there is found there, whatever moves, and the bound holds."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from service.vision.engine.slots import Slots, whole_steps

LAYERS, HEADS, SIZE = 2, 3, 4


def slots(tokens: int = 4096) -> Slots:
    return Slots(LAYERS, HEADS, SIZE, tokens, like=torch.empty(0))


def fill(one: Slots, first: int, length: int, value: float) -> None:
    one.read_prompts(first)
    for layer in range(LAYERS):
        states = torch.full((1, HEADS, length, SIZE), value + layer)
        one.update(torch.cat([states, -states], dim=1), layer)


def test_a_row_keeps_its_tokens_where_others_move() -> None:
    one = slots()
    one.make_room(3, 70, kept=0)
    for row in range(3):
        fill(one, row, 5 + row, 10.0 * row)
    one.move(2, 0, 7)
    one.make_room(9, 200, kept=2)
    one.take_step(torch.tensor([7, 6]), 16)
    new = torch.tensor([99.0] * HEADS + [98.0] * HEADS)[None, :, None, None].expand(2, -1, 1, SIZE)
    keys, values = one.update(new, 0).chunk(2, dim=1)
    assert keys.shape == (2, HEADS, 16, SIZE)
    assert keys[0, 0, :9, 0].tolist() == [20.0] * 7 + [99.0, 0.0]
    assert values[1, 0, :8, 0].tolist() == [-10.0] * 6 + [98.0, 0.0]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 900)), min_size=1, max_size=6))
def test_what_holds_fits_and_never_takes_more_than_the_bound(wishes: list[tuple[int, int]]) -> None:
    one = slots(2048)
    for rows, width in wishes:
        if not one.holds(rows, width):
            continue
        one.make_room(rows, width, kept=0)
        kept = one._kept[0]
        assert kept.shape[0] >= rows
        assert kept.shape[2] >= width
        assert kept.shape[0] * kept.shape[2] <= 2048
    assert one.holds(1, 2048)
    assert not one.holds(1, 2049)
    assert whole_steps(2048) == 2048


def test_cleared_is_cleared() -> None:
    one = slots()
    one.make_room(2, 64, kept=0)
    fill(one, 1, 5, torch.nan)
    one.clear(1)
    assert float(one._kept[0].abs().sum()) == 0.0
