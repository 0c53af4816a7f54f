"""What training does by its own, faster means is what the library does: patches, positions, prompts, attention."""

import numpy as np
import torch
from transformers import Glm46VForConditionalGeneration

from service.micro.album import batch
from service.micro.beginnings import look_around
from service.micro.config import config, grid, image_processor
from service.micro.conversation import UNTOLD, talk
from service.micro.draw import paint
from service.micro.tokens import tokenizer
from service.micro.tower import batched_attention

WORDS = tokenizer()


def test_patches_are_the_image_processors() -> None:
    pictures = batch(np.random.default_rng(11), 2)
    seen = image_processor()(images=[paint(scene) for scene in pictures.scenes], return_tensors="pt")
    assert torch.equal(seen["image_grid_thw"], pictures.grid_thw)
    assert torch.allclose(seen["pixel_values"], pictures.pixels, atol=1e-6)


def test_every_size_becomes_about_as_many_tokens() -> None:
    for width, height in ((448, 448), (300, 200), (1000, 1000), (64, 64), (200, 640), (3000, 2000)):
        high, wide = grid(width, height)
        assert 30 <= high * wide <= 60


def test_positions_are_the_models() -> None:
    rng = np.random.default_rng(12)
    pictures = batch(rng, 4)
    told = talk(rng, pictures, WORDS)
    model = Glm46VForConditionalGeneration(config(WORDS.get_vocab()))
    kinds = (told.ids == model.config.image_token_id).int()
    positions, _ = model.model.get_rope_index(told.ids, kinds, image_grid_thw=pictures.grid_thw)
    assert torch.equal(positions, told.positions)


def test_a_conversation_is_in_the_chat_templates_form() -> None:
    rng = np.random.default_rng(13)
    pictures = batch(rng, 8)
    told = talk(rng, pictures, WORDS)
    for ids, said in zip(told.ids, told.told, strict=True):
        text = WORDS.decode(ids).replace("<|endoftext|>", "")
        turns = [turn.split("<|assistant|>\n") for turn in text.split("<|user|>\n")[1:]]
        messages = []
        for asked, answered in turns[:-1]:
            messages.append({"role": "user", "content": asked.removesuffix("/nothink")})
            messages.append({"role": "assistant", "content": answered})
        messages.append({"role": "user", "content": turns[-1][0].removesuffix("/nothink")})
        system = text.split("<|user|>")[0].partition("<|system|>\n")[2]
        messages = [{"role": "system", "content": system}] * bool(system) + messages
        thinks = "/nothink" not in text
        prompt = WORDS.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=thinks)
        assert WORDS.encode(prompt) == ids[: len(WORDS.encode(prompt))].tolist()
        assert WORDS.decode(said[said != UNTOLD]).endswith("<|user|>")


def test_attention_in_one_call_is_the_librarys() -> None:
    pictures = batch(np.random.default_rng(14), 3)
    torch.manual_seed(0)
    tower = Glm46VForConditionalGeneration(config(WORDS.get_vocab())).model.visual.eval()
    look_around(tower)
    with torch.inference_mode():
        one_by_one = tower(pictures.pixels, grid_thw=pictures.grid_thw).pooler_output
        batched_attention(tower)
        together = tower(pictures.pixels, grid_thw=pictures.grid_thw).pooler_output
    assert torch.allclose(one_by_one, together, atol=1e-4)
