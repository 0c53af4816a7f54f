"""Text to tokens and back, so that nothing a user types becomes a special token."""

from __future__ import annotations

import re
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from service.vision.engine.protocol import EngineUnusable

_SHOWN = frozenset({"<|begin_of_box|>", "<|end_of_box|>"})


class Words:
    """A checkpoint's tokenizer.json. All its added tokens are placed by number only, never found in a text."""

    def __init__(self, path: Path) -> None:
        file = path / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # The library raises nothing more precise.
            raise EngineUnusable(f"{file} cannot be read: {error}; next: casemate release verify") from error
        added = self._tokenizer.get_added_tokens_decoder()
        if not added:
            raise EngineUnusable(
                f"{file} has no added_tokens, expected those of which the chat template is made;"
                " next: casemate release verify"
            )
        self._numbers = {token.content: number for number, token in added.items()}
        self._silent = {number for number, token in added.items() if token.special and token.content not in _SHOWN}
        self._placed = {number: token.content for number, token in added.items()}
        # Special to the library means: left alone in a text that is encoded with `encode_special_tokens`.
        self._tokenizer.add_special_tokens(list(self._numbers))
        self._tokenizer.encode_special_tokens = True
        self._pattern = re.compile("|".join(sorted(map(re.escape, self._numbers), key=len, reverse=True)) or r"(?!)")

    def number(self, token: str) -> int | None:
        """The number of an added token, or None if there is no such token."""
        return self._numbers.get(token)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text in which every special token is only text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def split(self, written: str) -> list[int | str]:
        """Cut what the template wrote into added tokens, as numbers, and the text between them."""
        pieces: list[int | str] = []
        at = 0
        for match in self._pattern.finditer(written):
            pieces += [written[at : match.start()], self._numbers[match[0]]]
            at = match.end()
        return [piece for piece in [*pieces, written[at:]] if piece != ""]

    def speech(self) -> Speech:
        """Begin to turn an answer's tokens into text."""
        return Speech(self._tokenizer, self._placed, self._silent)


class Speech:
    """Tokens to text, one by one; a character that takes several tokens comes with the last of them."""

    def __init__(self, tokenizer: Tokenizer, placed: dict[int, str], silent: set[int]) -> None:
        self._tokenizer = tokenizer
        self._placed = placed
        self._silent = silent
        self._stream = DecodeStream(skip_special_tokens=False)

    def say(self, number: int) -> str:
        """What this token adds to the text; special tokens add nothing, thinking and box markers their names."""
        if number in self._silent:
            return ""
        if number in self._placed:
            self._stream = DecodeStream(skip_special_tokens=False)
            return self._placed[number]
        return self._stream.step(self._tokenizer, number) or ""
