"""Ask the stored model about pictures that it never saw: `python -m service.micro.evaluate [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from service.micro.album import canvas
from service.micro.draw import imagine, paint
from service.micro.load import answer, load
from service.micro.questions import Question, ask
from service.micro.words import KINDS, LANGUAGES, Kind

FRESH = 90210  # Training draws from streams that begin with its own seed, so it never draws from this one.
SMALLEST, LARGEST = 128, 640  # Sides in pixels; training saw pictures of 112 to 258.
PROMISED = 0.98


def fresh(count: int, kinds: tuple[Kind, ...] = KINDS, first: int = 0) -> Iterator[tuple[Image.Image, Question]]:
    """Draw `count` pictures with a question each, kinds and languages in equal shares."""
    for number in range(first, first + count):
        rng = np.random.default_rng([FRESH, number])
        kind, language = kinds[number % len(kinds)], LANGUAGES[number // len(kinds) % len(LANGUAGES)]
        question = None
        while question is None:
            scene = imagine(rng, *canvas(rng, SMALLEST, LARGEST))
            question = ask(rng, scene, kind, language)
        yield paint(scene), question


def evaluate(
    count: int, kinds: tuple[Kind, ...] = KINDS, thinking: bool = False, first: int = 0
) -> list[tuple[Question, str]]:
    """Return `count` fresh questions, each with the stored model's answer."""
    model, processor = load()
    asked = list(fresh(count, kinds, first))
    answers: list[str] = []
    for start in range(0, count, 25):
        batch = [(picture, question.text) for picture, question in asked[start : start + 25]]
        answers += answer(model, processor, batch, thinking)
    return [(question, said) for (_, question), said in zip(asked, answers, strict=True)]


def main() -> int:
    """Print the share of right answers by kind and language; return 1 if fewer are right than promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2400, help="how many questions to ask")
    parser.add_argument("--first", type=int, default=0, help="number of the first question: another draws others")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--scenes", action="store_true", help="ask for whole descriptions instead, which are not promised"
    )
    parser.add_argument("--thinking", action="store_true", help="let the model think first")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    kinds: tuple[Kind, ...] = ("scene",) if arguments.scenes else KINDS
    asked, right = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for question, said in evaluate(arguments.count, kinds, arguments.thinking, arguments.first):
        key = (question.kind, question.language)
        asked[key] += 1
        right[key] += said.split("</think>")[-1].strip() == question.answer
    share = right.total() / asked.total()
    if arguments.json:
        table = {
            kind: {language: right[kind, language] / asked[kind, language] for language in LANGUAGES} for kind in kinds
        }
        print(json.dumps({"asked": asked.total(), "right": share, "by_kind_and_language": table}))
    else:
        for kind, language in sorted(asked):
            print(f"{kind:10} {language}  {right[kind, language]:5} of {asked[kind, language]:5} right")
        print(f"{'all':10}     {right.total():5} of {asked.total():5} right: {share:.2%}")
    return 0 if share >= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
