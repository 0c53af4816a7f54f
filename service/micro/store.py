"""Write the model directory: weights, tokenizer, image processor, configuration and their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transformers import GenerationConfig, Glm46VForConditionalGeneration, PreTrainedTokenizerFast

from service.micro.config import image_processor
from service.micro.tokens import STOPS

SUMS = "SHA256SUMS"


def store(model: Glm46VForConditionalGeneration, words: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write a model in the form in which GLM-4.6V-Flash is published, in fp32."""
    directory.mkdir(parents=True, exist_ok=True)
    pad, *_ = stops = words.convert_tokens_to_ids(list(STOPS))
    model.generation_config = GenerationConfig(do_sample=False, pad_token_id=pad, eos_token_id=stops)
    model.save_pretrained(directory)
    words.save_pretrained(directory)
    image_processor().save_pretrained(directory)
    (directory / "model.safetensors").chmod(0o644)  # Safetensors writes it for its owner alone; a container is another.
    (directory / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums(directory).items()))


def sums(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a model directory, by name, but of the sums and the card."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name not in (SUMS, "README.md"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
