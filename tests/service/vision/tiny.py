"""A Glm46V checkpoint of a few hundred kilobytes with random weights, in GLM-4.6V's form."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import Glm4vConfig, Glm4vForConditionalGeneration, Glm46VConfig, Glm46VForConditionalGeneration
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil

PATCH = 8
SIZE = {"shortest_edge": 2 * 32 * 32, "longest_edge": 2 * 112 * 112}
SPECIAL = (
    *("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    *("<|begin_of_image|>", "<|end_of_image|>", "<|image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|video|>"),
    *("<|begin_of_box|>", "<|end_of_box|>"),
)
PLAIN = ("/nothink", "<think>", "</think>")

# The way of a conversation without tools through GLM-4.6V's own template.
TEMPLATE = """[gMASK]<sop>
{%- macro visible_text(content) -%}
    {%- if content is string -%}
        {{- content }}
    {%- elif content is iterable and content is not mapping -%}
        {%- for item in content -%}
            {%- if item is mapping and item.type == 'text' -%}
                {{- item.text }}
            {%- elif item is mapping and (item.type == 'image' or 'image' in item) -%}
                <|begin_of_image|><|image|><|end_of_image|>
            {%- elif item is string -%}
                {{- item }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{- content }}
    {%- endif -%}
{%- endmacro -%}
{%- for m in messages %}
{%- if m.role == 'user' -%}<|user|>
{{ visible_text(m.content) }}
{%- set quick = enable_thinking is defined and not enable_thinking %}
{{- '/nothink' if (quick and not visible_text(m.content).endswith("/nothink")) else '' -}}
{%- elif m.role == 'assistant' -%}
<|assistant|>
{%- set content = visible_text(m.content) %}
{%- if m.reasoning_content is string %}
    {%- set reasoning_content = m.reasoning_content %}
{%- else %}
    {%- set reasoning_content = '' %}
{%- endif %}
{%- if reasoning_content -%}
{{ '\\n<think>' + reasoning_content.strip() +  '</think>'}}
{%- else -%}
{{ '\\n<think></think>' }}
{%- endif -%}
{%- if content.strip() -%}
{{ '\\n' + content.strip() }}
{%- endif -%}
{%- elif m.role == 'system' -%}
<|system|>
{{ visible_text(m.content) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|assistant|>
{{'<think></think>\\n' if (enable_thinking is defined and not enable_thinking) else ''}}
{%- endif -%}"""


def tokenizer() -> Tokenizer:
    """Bytes, and GLM's added tokens."""
    bpe = Tokenizer(
        models.BPE(vocab={char: n for n, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[])
    )
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    bpe.add_tokens([AddedToken(token, special=False) for token in PLAIN])
    return bpe


def write(path: Path, kind: str = "Glm46V") -> Path:
    """Write the checkpoint into `path`: kind Glm46V or Glm4v."""
    words = tokenizer()
    ends = [words.token_to_id(token) for token in ("<|endoftext|>", "<|user|>", "<|observation|>")]
    text = {
        "vocab_size": words.get_vocab_size(),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
            "mrope_section": [1, 1, 1],
        },
        "initializer_range": 0.5,
        "pad_token_id": ends[0],
        "eos_token_id": ends,
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "num_heads": 2,
        "image_size": 112,
        "patch_size": PATCH,
        "out_hidden_size": 48,
        "intermediate_size": 48,
        "initializer_range": 0.5,
    }
    tokens = {"image": "<|image|>", "video": "<|video|>", "image_start": "<|begin_of_image|>"}
    tokens |= {"image_end": "<|end_of_image|>", "video_start": "<|begin_of_video|>", "video_end": "<|end_of_video|>"}
    numbers = {f"{name}_token_id": words.token_to_id(token) for name, token in tokens.items()}
    config_of, model_of = {
        "Glm46V": (Glm46VConfig, Glm46VForConditionalGeneration),
        "Glm4v": (Glm4vConfig, Glm4vForConditionalGeneration),
    }[kind]
    processor_of = Glm46VImageProcessorPil if kind == "Glm46V" else Glm4vImageProcessorPil
    torch.manual_seed(7)
    model = model_of(config_of(text_config=text, vision_config=vision, **numbers))
    model.generation_config.eos_token_id = ends
    model.save_pretrained(path)
    processor_of(patch_size=PATCH, size=SIZE).save_pretrained(path)
    words.save(str(path / "tokenizer.json"))
    (path / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return path
