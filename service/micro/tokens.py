"""The tokenizer and the chat template, in GLM-4.6V's form: its special tokens, bytes below, few words above."""

from __future__ import annotations

import itertools

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from service.micro.words import ASIDES, CHINESE, FORMS, NAMES, PLURALS, SYSTEMS, THOUGHTS

# In the order of GLM-4.6V's vocabulary, where they follow the words; here they come first.
SPECIAL = (
    *("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    *("<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"),
    *("<|begin_of_audio|>", "<|end_of_audio|>", "<|begin_of_transcription|>", "<|end_of_transcription|>"),
    *("<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>"),
    *("/nothink", "<|begin_of_box|>", "<|end_of_box|>", "<|image|>", "<|video|>"),
)
# GLM has these as tokens too, but shows them when special tokens are skipped.
PLAIN = (
    *("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    *("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
)
STOPS = ("<|endoftext|>", "<|user|>", "<|observation|>")

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = """\
[gMASK]<sop>
{%- macro visible(content) -%}
{%- if content is string -%}
{{- content -}}
{%- else -%}
{%- for item in content -%}
{%- if item is string -%}
{{- item -}}
{%- elif item.type in ('image', 'image_url') -%}
<|begin_of_image|><|image|><|end_of_image|>
{%- elif item.type == 'text' -%}
{{- item.text -}}
{%- else -%}
{{- raise_exception('got content of type ' ~ item.type ~ ', expected text or image') -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- set quick = enable_thinking is defined and not enable_thinking -%}
{%- for message in messages -%}
{%- set content = visible(message.content) -%}
{%- if message.role == 'system' -%}
{{- '<|system|>\\n' + content -}}
{%- elif message.role == 'user' -%}
{{- '<|user|>\\n' + content + ('/nothink' if quick and not content.endswith('/nothink') else '') -}}
{%- elif message.role == 'assistant' -%}
{{- '<|assistant|>\\n<think></think>\\n' + content.split('</think>')[-1].strip() -}}
{%- else -%}
{{- raise_exception('got role ' ~ message.role ~ ', expected system, user or assistant') -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>\\n' + ('<think></think>\\n' if quick else '') -}}
{%- endif -%}
"""


def tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer: whole words of the micro world, bytes for everything else, so that any text comes back."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(list(SPECIAL))
    trainer = trainers.BpeTrainer(
        vocab_size=4096,  # Never reached: merging ends when every word is one token.
        min_frequency=1,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_words(), trainer)
    bpe.add_tokens(list(PLAIN))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|endoftext|>",  # noqa: S106  # a token of text
        pad_token="<|endoftext|>",  # noqa: S106
        extra_special_tokens=list(SPECIAL[1:]),
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=8192,
        chat_template=CHAT_TEMPLATE,
    )


def _words() -> list[str]:
    """Every word once; English ones as they stand in a sentence, so mostly with the space before them."""
    forms = itertools.chain.from_iterable(FORMS["en"].values())
    blanks = {"shape": "", "shapes": "", "colour": "", "place": "", "thing": "", "other": ""}
    sentences = [form.format(**blanks) for form in forms] + list(THOUGHTS["en"].values())
    sentences += [*ASIDES["en"], *(system for system in SYSTEMS if system.isascii())]
    sentences += [sentence.replace("colour", "color") for sentence in sentences]
    split = pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated")
    named = itertools.chain.from_iterable(name.split() for name in (*NAMES["en"].values(), *PLURALS.values()))
    told = [*named, "a", "an", "and", "one"]
    words = {word for sentence in sentences for word, _ in split.pre_tokenize_str(sentence)}
    return sorted(words | {word.lower() for word in words} | set(told) | {f" {word}" for word in told} | set(CHINESE))
