"""Load a GLM-4.6V model directory, this one or Flash, without torchvision, and ask it about a picture."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    Glm46VForConditionalGeneration,
    Glm46VImageProcessorPil,
    Glm46VProcessor,
    PreTrainedTokenizerFast,
    ProcessorMixin,
)

WEIGHTS = Path(__file__).parent / "weights"


class PictureProcessor(Glm46VProcessor):
    """`Glm46VProcessor` without videos: their processor needs torchvision.

    `ProcessorMixin` reads a processor's parts off the names of its `__init__`: this one must not name the video part.
    """

    def __init__(self, image_processor: Glm46VImageProcessorPil, tokenizer: PreTrainedTokenizerFast) -> None:
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=tokenizer.chat_template)
        self.image_token, self.video_token = "<|image|>", "<|video|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        self.video_start_id = tokenizer.convert_tokens_to_ids("<|begin_of_video|>")
        self.video_end_id = tokenizer.convert_tokens_to_ids("<|end_of_video|>")


def load(directory: Path = WEIGHTS) -> tuple[Glm46VForConditionalGeneration, PictureProcessor]:
    """Load a model in fp32 and its processor from a directory, without reaching for the network.

    Raises OSError if a file is missing and ValueError if one does not fit the others.
    """
    image_processor = Glm46VImageProcessorPil.from_pretrained(directory, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    model = Glm46VForConditionalGeneration.from_pretrained(
        directory, local_files_only=True, use_safetensors=True, dtype=torch.float32
    )
    return model.eval(), PictureProcessor(image_processor, tokenizer)


@torch.inference_mode()
def answer(
    model: Glm46VForConditionalGeneration,
    processor: PictureProcessor,
    asked: list[tuple[Image.Image, str]],
    thinking: bool = False,
) -> list[str]:
    """Answer pairs of a picture (RGB, any size) and a question, greedily, in one batch, without special tokens."""
    texts = [
        processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )
        for _, question in asked
    ]
    # The processor also returns mm_token_type_ids: without them generate() silently misplaces the picture's tokens.
    inputs = processor(text=texts, images=[picture for picture, _ in asked], padding=True, return_tensors="pt")
    said = model.generate(**inputs, do_sample=False, max_new_tokens=64)
    return [
        text.strip()
        for text in processor.batch_decode(said[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    ]
