"""One character for a whole text while a template is rendered: it can be moved, dropped, repeated, and not cut."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from service.vision.engine.protocol import JobRefused

_PLANES = (range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))
"""Code points of Unicode's planes 15 and 16, which are for private use."""

_PRIVATE = re.compile("([{}-{}{}-{}])".format(*(chr(end) for plane in _PLANES for end in (plane[0], plane[-1]))))


class StandIns:
    """Of one job. `texts` are all that it has and what the template itself is made of: no stand-in occurs in them."""

    def __init__(self, texts: Iterable[str]) -> None:
        used = set().union(*texts)
        self._free = (one for one in map(chr, itertools.chain(*_PLANES)) if one not in used)
        self._texts: dict[str, str] = {}

    def put(self, text: str) -> str:
        """What stands for this text; nothing for an empty one. Raises JobRefused."""
        if not text:
            return ""
        free = next(self._free, None)
        if free is None:
            message = (
                f"messages: more texts than the {len(self._texts)} that can be told apart; next: join some of them"
            )
            raise JobRefused(message, "invalid_value", "messages")
        self._texts[free] = text
        return free

    def spans(self, rendered: str) -> list[tuple[str, bool]]:
        """Each text, True, in its stand-in's places, and what was rendered around it, False; none is empty.

        Raises JobRefused for a private character that stands for nothing.
        """
        found: list[tuple[str, bool]] = []
        for index, piece in enumerate(_PRIVATE.split(rendered)):
            if index % 2 == 0:
                found += [(piece, False)] if piece else []
            elif piece in self._texts:
                found.append((self._texts[piece], True))
            else:
                message = "messages: the model's chat template adds private characters, which mark what a user wrote"
                raise JobRefused(message, "invalid_value", "messages")
        return found
